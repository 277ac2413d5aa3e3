"""What can go wrong with the cache of metrics."""

from __future__ import annotations

try:
    from yaml import YAMLError as _YamlError
except ImportError:
    _YamlError = Exception


class GeneralMetricsCacheError(Exception):
    """Anything that has no class of its own."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class MetricsCacheIOError(IOError):
    """The metrics file cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class MetricsCachePyYamlError(_YamlError):
    """The metrics file is not YAML."""

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
