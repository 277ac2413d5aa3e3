"""What can go wrong with the cache of metrics."""

from __future__ import annotations

from typing import Any


class GeneralMetricsCacheError(Exception):
    """Anything that has no class of its own."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class MetricsCacheIOError(IOError):
    """The metrics file cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class MetricsCacheTypeError(TypeError):
    """An argument has the wrong type."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class MetricsCacheValueError(ValueError):
    """An argument has a value that cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class MetricsCacheKeyError(KeyError):
    """No such metric."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


def __getattr__(name: str) -> Any:
    """MetricsCachePyYamlError is a YAMLError, and made when it is asked for: no worker pays for importing PyYAML otherwise."""
    if name != "MetricsCachePyYamlError":
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    try:
        from yaml import YAMLError as base
    except ImportError:
        base = Exception
    error = type(name, (base,), {"__module__": __name__, "__doc__": "The metrics file is not YAML."})
    globals()[name] = error
    return error
