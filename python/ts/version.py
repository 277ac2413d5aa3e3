"""The TorchServe release whose Python surface this package offers; the server's own version is in `system_properties`."""

from __future__ import annotations

__version__ = "0.12.0"
