"""Times the steps of a handler when its model-config.yaml says `handler: {profile: true}`."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a method so that it reports the metric `ts_handler_<its name>` in milliseconds when profiling is asked for."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        context: Any = getattr(self, "context", None)
        if not _is_profiling(context):
            return function(self, *args, **kwargs)
        cuda = _cuda()
        if cuda is None:
            started_at = time.perf_counter()
            result = function(self, *args, **kwargs)
            elapsed_ms = (time.perf_counter() - started_at) * 1000
        else:
            begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            begin.record()
            result = function(self, *args, **kwargs)
            end.record()
            cuda.synchronize()
            elapsed_ms = begin.elapsed_time(end)
        context.metrics.add_time("ts_handler_" + function.__name__, elapsed_ms)
        return result

    return call


def _is_profiling(context: Any) -> bool:
    config = getattr(context, "model_yaml_config", None)
    section = config.get("handler") if isinstance(config, dict) else None
    return bool(section.get("profile")) if isinstance(section, dict) else False


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
