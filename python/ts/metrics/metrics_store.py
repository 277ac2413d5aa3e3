"""The store of metrics of TorchServe's first releases. `context.metrics` has the same methods and more."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ts.metrics.dimension import Dimension
from ts.metrics.metric import Metric


class MetricsStore:
    """Keeps a metric for each name, unit, request and dimensions; a later report of the same updates and emits it."""

    def __init__(self, request_ids: Any, model_name: str) -> None:
        self.store: List[Metric] = []
        self.request_ids = request_ids
        self.model_name = model_name
        self.cache: Dict[str, Metric] = {}

    def add_counter(self, name: str, value: int, idx: Optional[int] = None, dimensions: Any = None) -> None:
        self._add(name, value, "count", idx, dimensions, "counter")

    def add_time(
        self, name: str, value: Any, idx: Optional[int] = None, unit: str = "ms", dimensions: Any = None
    ) -> None:
        """Adds a duration in `ms` or `s`."""
        if unit not in ("ms", "s"):
            raise ValueError("the unit for a timed metric should be one of ['ms', 's']")
        self._add(name, value, unit, idx, dimensions)

    def add_size(
        self, name: str, value: Any, idx: Optional[int] = None, unit: str = "MB", dimensions: Any = None
    ) -> None:
        """Adds a size in `MB`, `kB`, `GB` or `B`."""
        if unit not in ("MB", "kB", "GB", "B"):
            raise ValueError("The unit for size based metric is one of ['MB','kB', 'GB', 'B']")
        self._add(name, value, unit, idx, dimensions)

    def add_percent(self, name: str, value: Any, idx: Optional[int] = None, dimensions: Any = None) -> None:
        self._add(name, value, "percent", idx, dimensions)

    def add_error(self, name: str, value: Any, dimensions: Any = None) -> None:
        """Adds what went wrong, under the dimension `Level: Error`; the value may be a text."""
        given = [*(dimensions or ()), Dimension("Level", "Error")]
        self._keep(name, value, "", given, None, None)

    def add_metric(self, name: str, value: Any, unit: str, idx: Optional[int] = None, dimensions: Any = None) -> None:
        self._add(name, value, unit, idx, dimensions)

    def _add(
        self, name: str, value: Any, unit: str, idx: Optional[int], dimensions: Any, method: Optional[str] = None
    ) -> None:
        request_id = self._request_id(idx)
        level = [Dimension("ModelName", self.model_name), Dimension("Level", "Model")]
        given = [*(dimensions or ()), *(level if request_id else [Dimension("Level", "Error")])]
        self._keep(name, value, unit, given, request_id, method)

    def _keep(
        self, name: str, value: Any, unit: str, dimensions: List[Dimension], request_id: Optional[str], method: Any
    ) -> None:
        key = "-".join([name, str(unit), str(request_id), *map(str, dimensions)])
        metric = self.cache.get(key)
        if metric is not None:
            metric.update(value)
            return
        metric = Metric(name, value, unit, dimensions, request_id, method)
        self.cache[key] = metric
        self.store.append(metric)

    def _request_id(self, idx: Optional[int]) -> Optional[str]:
        ids = self.request_ids
        if isinstance(ids, dict):
            return ids[idx] if idx is not None and idx in ids else ",".join(map(str, ids.values()))
        return None if ids is None else str(ids)
