"""The metrics cache that the section `model_metrics` of a metrics file configures. In a worker, the server has read that file."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from ts.metrics.metric_cache_abstract import MetricCacheAbstract
from ts.metrics.metric_cache_errors import (
    GeneralMetricsCacheError,
    MetricsCacheIOError,
    MetricsCacheKeyError,
)
from ts.metrics.metric_type_enum import MetricTypes

#: What a worker reports by itself, when no file says otherwise.
_DEFAULT_METRICS: Dict[str, Any] = {
    "gauge": [
        {"name": "HandlerTime", "unit": "ms", "dimensions": ["ModelName", "Level"]},
        {"name": "PredictionTime", "unit": "ms", "dimensions": ["ModelName", "Level"]},
    ]
}


class MetricsCacheYamlImpl(MetricCacheAbstract):
    """The class of `context.metrics`. Without a file it knows the worker's own metrics; all others are taken as they come."""

    def __init__(
        self, config_file_path: Optional[str] = None, listed: Optional[Sequence[Dict[str, Any]]] = None
    ) -> None:
        """`listed` is what a metrics file lists when somebody else has read it: name, unit, kind and dimensions of each."""
        super().__init__(config_file_path)
        self._listed = listed

    def initialize_cache(self) -> None:
        """Registers the configured metrics. Raises one of the cache's errors, naming the file, when it cannot be used."""
        for kind, metrics in self._sections().items():
            try:
                metric_type = MetricTypes(kind)
                for metric in metrics or ():
                    self.add_metric_to_cache(metric["name"], metric["unit"], metric["dimensions"], metric_type)
            except (KeyError, TypeError, ValueError) as error:
                raise GeneralMetricsCacheError(
                    "model_metrics.%s of %s cannot be used: %r" % (kind, self.config_file_path, error)
                ) from error

    def _sections(self) -> Dict[str, Any]:
        if self._listed is not None:
            sections: Dict[str, List[Dict[str, Any]]] = {}
            for metric in self._listed:
                sections.setdefault(metric["kind"], []).append(metric)
            return sections
        return _DEFAULT_METRICS if self.config_file_path is None else self._read_section(self.config_file_path)

    @staticmethod
    def _read_section(path: str) -> Dict[str, Any]:
        import yaml

        from ts.metrics.metric_cache_errors import MetricsCachePyYamlError

        try:
            with open(path, encoding="utf-8") as file:
                content = yaml.safe_load(file)
        except OSError as error:
            raise MetricsCacheIOError("Unable to open the metrics file %s: %s" % (path, error)) from error
        except yaml.YAMLError as error:
            raise MetricsCachePyYamlError("The metrics file %s is not YAML: %s" % (path, error)) from error
        section = content.get("model_metrics") if isinstance(content, dict) else None
        if not isinstance(section, dict):
            raise MetricsCacheKeyError("The metrics file %s has no section model_metrics" % path)
        return section
