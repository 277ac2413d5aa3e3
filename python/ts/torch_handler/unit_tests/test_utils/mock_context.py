"""A context for tests of handlers that need no server."""

from __future__ import annotations

import os
import uuid
from typing import Any, Dict, Optional

from ts.metrics.metrics_store import MetricsStore


class MockContext:
    """What a handler's `initialize` and `handle` ask of a context; `explain` says whether a request asks for an explanation."""

    def __init__(
        self,
        model_pt_file: Optional[str] = "model.pt",
        model_dir: Optional[str] = None,
        model_file: Optional[str] = "model.py",
        gpu_id: Any = "0",
        model_name: str = "mnist",
        model_yaml_config_file: Optional[str] = None,
    ) -> None:
        model: Dict[str, str] = {}
        if model_pt_file:
            model["serializedFile"] = model_pt_file
        if model_file:
            model["modelFile"] = model_file
        self.manifest = {"model": model}
        model_dir = os.getcwd() if model_dir is None else model_dir
        self.system_properties: Dict[str, Any] = {"model_dir": model_dir}
        if _has_cuda():
            self.system_properties["gpu_id"] = gpu_id
        self.explain = False
        self.metrics = MetricsStore(uuid.uuid4(), model_name)
        self.model_yaml_config: Dict[str, Any] = {}
        if model_yaml_config_file is not None:
            from ts.utils.util import get_yaml_config

            self.model_yaml_config = get_yaml_config(os.path.join(model_dir, model_yaml_config_file))

    def get_request_header(self, idx: Any, key: Any, exp: Any = None) -> bool:
        return bool(idx and key and self.explain)


def _has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
