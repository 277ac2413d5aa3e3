"""Metrics as JSON."""

from __future__ import annotations

from json import JSONEncoder
from typing import Any

from ts.metrics.dimension import Dimension
from ts.metrics.metric import Metric


class MetricEncoder(JSONEncoder):
    """`json.dumps(metric, cls=MetricEncoder)`."""

    def default(self, o: Any) -> Any:
        """What a metric or a dimension tells of itself."""
        if isinstance(o, (Metric, Dimension)):
            return o.to_dict()
        return super().default(o)
