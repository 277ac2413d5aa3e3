"""The Python worker of Sconce: one process that holds one copy of one model version and answers its jobs.

The server starts it with `python -u -m sconce_worker`, the model's folder as working directory, data on descriptor 3 and
control on descriptor 4. The wire is described in docs/architecture/protocol.md; what handlers import lives in the package `ts`.
"""

from __future__ import annotations

#: The version of the worker protocol that this package speaks.
PROTOCOL_VERSION = 1
