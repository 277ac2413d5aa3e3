"""The built-in handler `densenet_handler`: tensors as torch.save writes them in, tensors out."""

from __future__ import annotations

import io
import logging
from typing import Any, List

import torch

from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import list_classes_from_module as list_classes_from_module

logger = logging.getLogger(__name__)


class DenseNetHandler(BaseHandler):
    """Runs a model on tensors, for instance on what another node of a workflow has made of an image."""

    def preprocess(self, data: Any) -> Any:
        """The tensors of all requests, stacked, on the device."""
        # Tensors and nothing else: these are bytes that clients send.
        safe = {"weights_only": True} if _can_load_safely() else {}
        rows = [row.get("data") or row.get("body") for row in data]
        return torch.stack([torch.load(io.BytesIO(row), map_location=self.device, **safe) for row in rows])

    def postprocess(self, data: Any) -> List[Any]:
        """The output of each request, with a batch axis of one."""
        return list(torch.split(data, 1))


def _can_load_safely() -> bool:
    import inspect

    return "weights_only" in inspect.signature(torch.load).parameters
