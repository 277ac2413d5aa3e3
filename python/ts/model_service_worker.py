"""What handlers read from TorchServe's worker program: their place among the ranks of a model. The worker is `sconce_worker`."""

from __future__ import annotations

import os

from ts._absent import absent_names

SOCKET_ACCEPT_TIMEOUT = 30.0
MAX_FAILURE_THRESHOLD = 5
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", "0"))
WORLD_SIZE = int(os.environ.get("WORLD_SIZE", "0"))
WORLD_RANK = int(os.environ.get("RANK", "0"))
LOCAL_WORLD_SIZE = int(os.environ.get("LOCAL_WORLD_SIZE", "0"))

__getattr__ = absent_names(__name__)
