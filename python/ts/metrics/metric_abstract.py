"""What every metric can do."""

from __future__ import annotations

import abc
from typing import Any, List, Optional

from ts.metrics.metric_type_enum import MetricTypes


class MetricAbstract(abc.ABC):
    """A metric with a name, a unit, the names of its dimensions and a type."""

    def __init__(
        self,
        metric_name: str,
        unit: str,
        dimension_names: Optional[List[str]] = None,
        metric_type: MetricTypes = MetricTypes.COUNTER,
    ) -> None:
        self.metric_name = metric_name
        self.unit = unit
        self.dimension_names = [] if dimension_names is None else dimension_names
        self.metric_type = metric_type

    @abc.abstractmethod
    def add_or_update(self, value: Any, dimension_values: Any = (), request_id: str = "") -> None:
        """Reports a value, with a value for each dimension name."""

    @abc.abstractmethod
    def update(self, value: Any, request_id: str = "", dimensions: Any = ()) -> None:
        """Reports a value, with dimensions that replace the metric's own."""
