"""What the tests with torch share: whether it is installed, a model folder, and contexts for handlers in this process."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
import unittest
from typing import Any, Dict, List, Optional, Tuple

import packages  # noqa: F401

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_TORCHVISION = HAS_TORCH and all(importlib.util.find_spec(name) is not None for name in ("torchvision", "PIL"))


def has_torch(*version: int) -> bool:
    """Whether torch is installed, of this version or a newer one."""
    if not HAS_TORCH:
        return False
    import torch

    return tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) >= version


class TorchCase(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="sconce-torch-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.seen: List[Any] = []
        from ts.metrics.metric_sink import set_metric_sink

        set_metric_sink(lambda *report: self.seen.append(report))
        self.addCleanup(set_metric_sink, None)
        path = list(sys.path)
        self.addCleanup(sys.path.__setitem__, slice(None), path)
        sys.path.insert(0, self.folder)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def write(self, name: str, text: str) -> None:
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def context(
        self,
        config: Optional[Dict[str, Any]] = None,
        headers: Optional[Dict[str, str]] = None,
        requests: int = 1,
        **model: str,
    ) -> Any:
        from ts.context import Context, RequestProcessor
        from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

        manifest = {"model": dict({"modelName": "tested"}, **model)}
        metrics = MetricsCacheYamlImpl()
        metrics.model_name = "tested"
        context = Context("tested", self.folder, manifest, requests, None, "0.1.0", True, metrics, config or {})
        context.request_processor = [RequestProcessor(headers or {}) for _ in range(requests)]
        context.request_ids = {number: "r-%d" % number for number in range(requests)}
        metrics.set_request_ids(context.request_ids)
        return context

    def initialized(self, kind: type, context: Any, **members: Any) -> Any:
        """A handler of a subclass with these members, loaded."""
        handler = type("Tested", (kind,), members)()
        handler.initialize(context)
        return handler

    def batched_and_alone(self, handler: Any, rows: List[Any], context: Any) -> Tuple[List[Any], List[Any]]:
        """The answers to the rows in one batch, and to each by itself."""
        alone = [answer for row in rows for answer in handler.handle([row], context)]
        return handler.handle(rows, context), alone
