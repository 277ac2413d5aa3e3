"""The methods of `context.metrics`, whatever the metrics are configured by.

Owns how request ids and default dimensions are attached. Where the list of known metrics comes from is the subclass's matter.
"""

from __future__ import annotations

import abc
import copy
from typing import Any, Dict, List, Optional

from ts.metrics.caching_metric import CachingMetric
from ts.metrics.dimension import Dimension
from ts.metrics.metric_cache_errors import MetricsCacheKeyError, MetricsCacheTypeError, MetricsCacheValueError
from ts.metrics.metric_type_enum import MetricTypes

_TIME_UNITS = ["ms", "s"]
_SIZE_UNITS = ["MB", "kB", "GB", "B"]


class MetricCacheAbstract(abc.ABC):
    """Metrics by type and name, created when they are first reported."""

    def __init__(self, config_file_path: Optional[str] = None) -> None:
        self.cache: Dict[MetricTypes, Dict[str, CachingMetric]] = {kind: {} for kind in MetricTypes}
        self.store: List[Any] = []
        self.request_ids: Any = None
        self.model_name: Optional[str] = None
        self.config_file_path = config_file_path

    def __deepcopy__(self, memo: Any) -> "MetricCacheAbstract":
        # A copied context (async handlers get one for each request) has ids of its own, and the metrics that were registered once.
        return copy.copy(self)

    @abc.abstractmethod
    def initialize_cache(self) -> None:
        """Registers the metrics that the configuration lists."""

    def set_request_ids(self, request_ids: Any) -> None:
        """The ids that reports carry from now on: a str while loading, `{index: id}` during a batch."""
        self.request_ids = request_ids

    def cache_keys(self) -> List[str]:
        """`type:name` of every known metric."""
        return ["%s:%s" % (kind.value, name) for kind, metrics in self.cache.items() for name in metrics]

    def add_metric_to_cache(
        self,
        metric_name: str,
        unit: str,
        dimension_names: Any = (),
        metric_type: MetricTypes = MetricTypes.COUNTER,
    ) -> CachingMetric:
        """Registers a metric, replacing one of the same type and name, and returns it."""
        self._check_type(metric_type)
        if not isinstance(metric_name, str):
            raise MetricsCacheTypeError("the name of a metric must be a str, not %s" % type(metric_name).__name__)
        metric = CachingMetric(metric_name, unit, list(dimension_names or ()), metric_type)
        self.cache[metric_type][metric_name] = metric
        return metric

    def get_metric(self, metric_name: str, metric_type: MetricTypes = MetricTypes.COUNTER) -> CachingMetric:
        """A registered metric. Raises MetricsCacheKeyError when there is none."""
        self._check_type(metric_type)
        metric = self.cache[metric_type].get(metric_name)
        if metric is None:
            raise MetricsCacheKeyError(
                "Metric of type '%s' and name '%s' doesn't exist" % (metric_type.value, metric_name)
            )
        return metric

    def add_metric(
        self,
        name: str,
        value: Any,
        unit: str,
        idx: Optional[int] = None,
        dimensions: Any = None,
        metric_type: MetricTypes = MetricTypes.COUNTER,
    ) -> None:
        """Reports a value, registering the metric at its first report. `idx` is one request of the batch, None all."""
        self._check_type(metric_type)
        request_id = self._request_id(idx)
        dimensions = self._with_default_dimensions(dimensions, bool(request_id))
        metric = self.cache[metric_type].get(name)
        if metric is None:
            metric = self.add_metric_to_cache(name, unit, [dimension.name for dimension in dimensions], metric_type)
        metric.add_or_update(value, [dimension.value for dimension in dimensions], request_id)

    def add_counter(self, name: str, value: Any, idx: Optional[int] = None, dimensions: Any = None) -> None:
        """Counts up by `value`."""
        self.add_metric(name, value, "count", idx, dimensions, MetricTypes.COUNTER)

    def add_time(
        self,
        name: str,
        value: Any,
        idx: Optional[int] = None,
        unit: str = "ms",
        dimensions: Any = None,
        metric_type: MetricTypes = MetricTypes.GAUGE,
    ) -> None:
        """Reports a duration in `ms` or `s`."""
        if unit not in _TIME_UNITS:
            raise MetricsCacheValueError("the unit for a timed metric should be one of ['ms', 's']")
        self.add_metric(name, value, unit, idx, dimensions, metric_type)

    def add_size(
        self,
        name: str,
        value: Any,
        idx: Optional[int] = None,
        unit: str = "MB",
        dimensions: Any = None,
        metric_type: MetricTypes = MetricTypes.GAUGE,
    ) -> None:
        """Reports a size in `MB`, `kB`, `GB` or `B`."""
        if unit not in _SIZE_UNITS:
            raise MetricsCacheValueError("The unit for size based metric is one of ['MB','kB', 'GB', 'B']")
        self.add_metric(name, value, unit, idx, dimensions, metric_type)

    def add_percent(
        self,
        name: str,
        value: Any,
        idx: Optional[int] = None,
        dimensions: Any = None,
        metric_type: MetricTypes = MetricTypes.GAUGE,
    ) -> None:
        """Reports a share in percent."""
        self.add_metric(name, value, "percent", idx, dimensions, metric_type)

    def add_error(self, name: str, value: Any, dimensions: Any = None) -> None:
        """Counts errors, under the dimension `Level: Error`."""
        if not isinstance(value, (int, float)):
            raise MetricsCacheTypeError("the value of an error must be a number, not %s" % type(value).__name__)
        dimensions = [] if dimensions is None else dimensions
        _add_missing(dimensions, "Level", "Error")
        metric = self.cache[MetricTypes.COUNTER].get(name)
        if metric is None:
            metric = self.add_metric_to_cache(name, "", [dimension.name for dimension in dimensions])
        metric.add_or_update(value, [dimension.value for dimension in dimensions], self._request_id(None))

    def _request_id(self, idx: Optional[int]) -> str:
        ids = self.request_ids
        if not ids:
            return ""
        if isinstance(ids, dict):
            if idx is not None and idx in ids:
                return ids[idx]
            return ",".join(ids.values())
        return str(ids)

    def _with_default_dimensions(self, dimensions: Any, has_request_id: bool) -> List[Dimension]:
        dimensions = [] if dimensions is None else dimensions
        if has_request_id:
            _add_missing(dimensions, "ModelName", self.model_name)
            _add_missing(dimensions, "Level", "Model")
        else:
            _add_missing(dimensions, "Level", "Error")
        return dimensions

    @staticmethod
    def _check_type(metric_type: Any) -> None:
        if not isinstance(metric_type, MetricTypes):
            raise MetricsCacheTypeError("metric_type must be a MetricTypes, not %s" % type(metric_type).__name__)


def _add_missing(dimensions: List[Dimension], name: str, value: Any) -> None:
    if all(dimension.name != name for dimension in dimensions):
        dimensions.append(Dimension(name, value))
