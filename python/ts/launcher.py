"""TorchServe's helpers that start a server for a test: importable, and no more."""

from __future__ import annotations

from typing import Any

from ts._absent import absent_names, calling

__getattr__ = absent_names(__name__)


def start(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError, with what to use instead; the others do so, too."""
    raise calling("ts.launcher.start")


def stop(*args: Any, **kwargs: Any) -> Any:
    raise calling("ts.launcher.stop")


def register_model(*args: Any, **kwargs: Any) -> Any:
    raise calling("ts.launcher.register_model")


def register_model_with_params(*args: Any, **kwargs: Any) -> Any:
    raise calling("ts.launcher.register_model_with_params")
