"""A decorator that prints how long each call of a function took."""

from __future__ import annotations

import functools
import time
from typing import Any, Callable


def timeit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `function`; its name and its milliseconds are printed after each call."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        started_at = time.perf_counter()
        result = function(*args, **kwargs)
        print("%s took %.2f ms" % (function.__name__, (time.perf_counter() - started_at) * 1000))
        return result

    return call
