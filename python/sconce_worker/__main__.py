"""`python -u -m sconce_worker`: what the server runs."""

from __future__ import annotations

import sys

from sconce_worker.worker import main

if __name__ == "__main__":
    sys.exit(main())
