"""What handlers written for TorchServe import, provided by Sconce.

Importing this package needs the standard library only; modules that work with tensors import torch themselves.
"""

from __future__ import annotations

from ts._absent import watch_imports
from ts.version import __version__ as __version__

watch_imports()
