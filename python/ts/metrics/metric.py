"""The metric of TorchServe's first releases: a value with its dimensions, which reports itself when it changes."""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from typing import Any, Dict, List, Optional

from ts.metrics.dimension import Dimension
from ts.metrics.metric_sink import as_line, emit_metric
from ts.metrics.metric_type_enum import MetricTypes
from ts.metrics.unit import Units

_UNITS = Units().units


class Metric:
    """A named value in a unit. Its text is the line by which TorchServe's collector read it."""

    def __init__(
        self,
        name: str,
        value: Any,
        unit: str,
        dimensions: List[Dimension],
        request_id: Optional[str] = None,
        metric_method: Optional[str] = None,
    ) -> None:
        self.name = name
        self.unit = _UNITS.get(unit, unit)
        self.value = value
        self.dimensions = dimensions
        self.dimension_names = [dimension.name for dimension in dimensions]
        self.dimension_values = [dimension.value for dimension in dimensions]
        self.request_id = request_id
        self.metric_method = metric_method
        self.metric_type = MetricTypes.COUNTER

    def update(self, value: Any) -> None:
        """Takes a new value (a counter adds it to the old one) and reports what came in."""
        self.value = self.value + value if self.metric_method == "counter" else value
        self._emit(value)

    def reset(self) -> None:
        """Sets the value to 0 and reports it."""
        self.value = 0
        self._emit(0)

    def report(self) -> None:
        """Reports the value as it is. Sconce only."""
        kind = MetricTypes.COUNTER if self.metric_method == "counter" else MetricTypes.GAUGE
        emit_metric(self.name, self.unit, self.value, kind.value, self._pairs(), self._ids())

    def to_dict(self) -> Dict[str, Any]:
        """Everything about the metric, and the moment at which it was asked."""
        return OrderedDict(
            {
                "MetricName": self.name,
                "Value": self.value,
                "Unit": self.unit,
                "Dimensions": self.dimensions,
                "Timestamp": int(time.time()),
                "HostName": socket.gethostname(),
                "RequestId": self.request_id,
            }
        )

    def __str__(self) -> str:
        return as_line(self.name, self.unit, self.value, None, self._pairs(), self._ids())

    def _emit(self, value: Any) -> None:
        emit_metric(self.name, self.unit, value, self.metric_type.value, self._pairs(), self._ids())

    def _pairs(self) -> Any:
        return [(str(dimension.name), str(dimension.value)) for dimension in self.dimensions]

    def _ids(self) -> List[str]:
        return self.request_id.split(",") if self.request_id else []
