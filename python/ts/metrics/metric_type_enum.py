"""The three kinds of metrics."""

from __future__ import annotations

import enum


class MetricTypes(enum.Enum):
    """How values of a metric add up: a sum, the latest value, or a distribution."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
