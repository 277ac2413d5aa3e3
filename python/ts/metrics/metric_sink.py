"""Where reported metrics go. The worker puts its own way in here; outside a worker they become log lines."""

from __future__ import annotations

import logging
import math
from typing import Any, Callable, Optional, Sequence, Tuple

logger = logging.getLogger(__name__)

#: name, unit, value, kind, dimensions, request ids
Sink = Callable[[str, str, float, str, Sequence[Tuple[str, str]], Sequence[str]], None]

_sink: Optional[Sink] = None


def set_metric_sink(sink: Optional[Sink]) -> None:
    """Decides where metrics go from now on; None means the log."""
    global _sink
    _sink = sink


def has_metric_sink() -> bool:
    """Whether metrics go to a server."""
    return _sink is not None


def emit_metric(
    name: str, unit: str, value: Any, kind: str, dimensions: Sequence[Tuple[str, str]], request_ids: Sequence[str]
) -> None:
    """Reports one value. What is no finite number is refused with a log line; a metric never fails a request."""
    number = value if type(value) in (int, float) else _as_number(value)
    if number is None or not math.isfinite(number):
        logger.error(
            "[METRICS]Failed to update metric with name:%s: its value %.80r is not a finite number.", name, value
        )
    elif _sink is not None:
        try:
            _sink(name, unit, number, kind, dimensions, request_ids)
        except (TypeError, ValueError) as error:
            logger.error("[METRICS]Failed to update metric with name:%.80r: %s", name, error)
    else:
        logger.info("[METRICS]%s", as_line(name, unit, number, kind, dimensions, request_ids))


def _as_number(value: Any) -> Optional[float]:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def as_line(
    name: str,
    unit: str,
    value: Any,
    kind: Optional[str],
    dimensions: Sequence[Tuple[str, str]],
    request_ids: Sequence[str],
) -> str:
    """The line by which TorchServe collected a metric; without `kind`, that of its first releases."""
    import socket
    import time

    listed = ",".join("%s:%s" % dimension for dimension in dimensions)
    tail = ",".join([socket.gethostname(), str(int(time.time())), *request_ids])
    kind_part = "" if kind is None else "|#type:" + kind.upper()
    return "%s.%s:%s|#%s%s|#hostname:%s" % (name, unit, value, listed, kind_part, tail)
