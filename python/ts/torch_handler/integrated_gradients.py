"""Explanations by captum, which only those who ask for one need to have installed."""

from __future__ import annotations

from typing import Any


class LazyIntegratedGradients:
    """Captum's IntegratedGradients for a model, made at its first use. Raises ImportError, with what to do, without captum."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._gradients: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._gradients is None:
            try:
                from captum.attr import IntegratedGradients
            except ImportError as error:
                raise ImportError(
                    "Explanations need captum: install it for the worker's Python (%s)." % error
                ) from error
            self._gradients = IntegratedGradients(self._model)
        return getattr(self._gradients, name)
