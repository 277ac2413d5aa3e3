"""What explanations need: captum, which only those who ask for one must have installed, and the class to be explained."""

from __future__ import annotations

from typing import Any, Callable, Tuple

from ts.utils.util import PredictionException

#: Not implemented here, rather than gone wrong.
_NOT_IMPLEMENTED = 501


class CaptumMissing(PredictionException, ImportError):
    """Tells the client what the model's operator has to install."""

    def __init__(self, cause: ImportError) -> None:
        super().__init__("Explanations need captum: install it for the worker's Python (%s)." % cause, _NOT_IMPLEMENTED)


class LazyAttribution:
    """One of captum's attribution methods, made at its first use with the arguments that `make_arguments` gives then.

    Raises CaptumMissing without captum.
    """

    def __init__(self, method: str, make_arguments: Callable[[], Tuple[Any, ...]]) -> None:
        self._method = method
        self._make_arguments = make_arguments
        self._attribution: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._attribution is None:
            try:
                from captum import attr
            except ImportError as error:
                raise CaptumMissing(error) from error
            self._attribution = getattr(attr, self._method)(*self._make_arguments())
        return getattr(self._attribution, name)


def no_explanation(handler: Any) -> PredictionException:
    """For handlers that explain nothing."""
    return PredictionException(
        "%s explains nothing: it has no get_insights." % type(handler).__name__, _NOT_IMPLEMENTED
    )


def target_of(rows: Any) -> Any:
    """The class that each request wants explained: one value when all agree (0 when they do not say), otherwise a list."""
    targets = [(row.get("target") or 0) if isinstance(row, dict) else 0 for row in rows or ()]
    if not targets:
        return 0
    return targets[0] if all(target == targets[0] for target in targets) else targets


def as_class(target: Any) -> Any:
    """A target as captum takes it: form fields arrive as bytes. Raises PredictionException for what is no number of a class."""
    if isinstance(target, list):
        return [as_class(each) for each in target]
    if isinstance(target, (bytes, bytearray, str)):
        try:
            return int(target)
        except ValueError:
            raise PredictionException("target must be the number of a class, not %.80r" % (target,), 400) from None
    return target
