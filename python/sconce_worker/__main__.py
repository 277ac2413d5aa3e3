"""`python -u -m sconce_worker`: what the server runs."""

from __future__ import annotations

import os
import sys

# The package `ts` is the one beside us, even where a model's requirements or its archive bring TorchServe's own: that one cannot
# speak to this worker. All other modules are looked for in the order of PYTHONPATH.
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, _OWN_FOLDER)
import ts  # noqa: E402, F401

sys.path.remove(_OWN_FOLDER)

from sconce_worker.worker import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
