"""A metric that is registered once and reported many times."""

from __future__ import annotations

import logging
from typing import Any, List, Optional, Sequence

from ts.metrics.dimension import Dimension
from ts.metrics.metric_abstract import MetricAbstract
from ts.metrics.metric_sink import emit_metric
from ts.metrics.metric_type_enum import MetricTypes
from ts.metrics.unit import Units

logger = logging.getLogger(__name__)

_UNITS = Units().units


class CachingMetric(MetricAbstract):
    """Reports values under one name, unit, type and list of dimension names."""

    def __init__(
        self,
        metric_name: str,
        unit: str,
        dimension_names: Optional[List[str]] = None,
        metric_type: MetricTypes = MetricTypes.COUNTER,
    ) -> None:
        super().__init__(metric_name, unit, dimension_names, metric_type)

    def add_or_update(self, value: Any, dimension_values: Sequence[Any] = (), request_id: str = "") -> None:
        """Reports `value`. `dimension_values` must be as many as the names; `request_id` may be several, joined by commas.

        A report that does not fit is refused with a log line.
        """
        if len(dimension_values) != len(self.dimension_names):
            self._refuse(
                "%d values for the dimensions %s" % (len(dimension_values), ", ".join(map(str, self.dimension_names)))
            )
            return
        if self.metric_type is MetricTypes.COUNTER and _is_negative(value):
            self._refuse("a counter cannot go down by %s" % value)
            return
        emit_metric(
            self.metric_name,
            _UNITS.get(self.unit, self.unit),
            value,
            self.metric_type.value,
            [(str(name), str(text)) for name, text in zip(self.dimension_names, dimension_values)],
            request_id.split(",") if request_id else [],
        )

    def update(self, value: Any, request_id: str = "", dimensions: Sequence[Dimension] = ()) -> None:
        """Reports `value` and takes over the names of `dimensions`."""
        self.dimension_names = [dimension.name for dimension in dimensions]
        self.add_or_update(value, [dimension.value for dimension in dimensions], request_id)

    def _refuse(self, why: str) -> None:
        logger.error("[METRICS]Failed to update metric with name:%s: %s", self.metric_name, why)


def _is_negative(value: Any) -> bool:
    try:
        return bool(value < 0)
    except (TypeError, ValueError):
        return False
