"""Base classes of services that were written for the server before TorchServe: named inputs, one step after the other."""

from __future__ import annotations

import json
import os
from abc import ABCMeta, abstractmethod
from typing import Any, Dict, List, Optional


class ModelService(metaclass=ABCMeta):
    """A model with a signature file (`manifest["Model"]["Signature"]`), which names the inputs."""

    def __init__(self, model_name: str, model_dir: str, manifest: Dict[str, Any], gpu: Optional[int] = None) -> None:
        self.model_name = model_name
        self.model_dir = model_dir
        self.manifest = manifest
        self.gpu = gpu
        self.ctx: Any = None
        with open(os.path.join(model_dir, manifest["Model"]["Signature"]), encoding="utf-8") as file:
            self._signature = json.load(file)

    @property
    def signature(self) -> Any:
        return self._signature

    @abstractmethod
    def inference(self, data: Any) -> Any:
        """The answer for the values of the inputs."""

    def handle(self, data: List[Dict[str, Any]], context: Any) -> List[Any]:
        """Answers each request with the values of its inputs, in the order of the signature."""
        self.ctx = context
        names = [each["data_name"] for each in self._signature["inputs"]]
        is_json = self._signature.get("input_type") == "application/json"
        return [self.inference([_value(row, name, is_json) for name in names]) for row in data]


class SingleNodeService(ModelService):
    """A service of three steps."""

    def inference(self, data: Any) -> Any:
        return self._postprocess(self._inference(self._preprocess(data)))

    @abstractmethod
    def _inference(self, data: Any) -> Any:
        """Runs the model."""

    def _preprocess(self, data: Any) -> Any:
        return data

    def _postprocess(self, data: Any) -> Any:
        return data


def _value(row: Dict[str, Any], name: str, is_json: bool) -> Any:
    value = row.get(name)
    if value is None:
        value = row.get("data") or row.get("body")
    if is_json and isinstance(value, (bytes, bytearray, str)):
        return json.loads(value)
    return value
