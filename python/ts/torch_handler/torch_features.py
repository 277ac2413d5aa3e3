"""What the installed torch and its companions can do, asked once for all built-in handlers."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
from typing import Any, Tuple

import torch

logger = logging.getLogger(__name__)


def torch_version() -> Tuple[int, int, int]:
    """The three numbers of torch's version; what follows them (`+cu121`, `a0`) is left out."""
    numbers = [int(number) for number in re.findall(r"\d+", torch.__version__.partition("+")[0])[:3]]
    major, minor, patch = (numbers + [0, 0, 0])[:3]
    return major, minor, patch


def find_xla() -> Any:
    """`torch_xla.core.xla_model`, or None."""
    return _import_if_there("torch_xla.core.xla_model")


def find_ipex() -> Any:
    """`intel_extension_for_pytorch` when TS_IPEX_ENABLE is "true", or None."""
    if os.environ.get("TS_IPEX_ENABLE", "false") != "true":
        return None
    module = _import_if_there("intel_extension_for_pytorch")
    if module is None:
        logger.warning("ipex_enable is true, but intel_extension_for_pytorch is not installed.")
    return module


def find_onnxruntime() -> Any:
    """`onnxruntime`, or None."""
    return _import_if_there("onnxruntime")


def register_backends() -> None:
    """Imports the packages that add backends and operators to torch merely by being imported."""
    for name in ("openvino.torch", "torch_tensorrt"):
        _import_if_there(name)


def prefer_fast_matmul() -> None:
    """Lets GPUs that have TensorFloat-32 use it."""
    if torch_version() >= (2, 0, 0) and torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0):
        torch.set_float32_matmul_precision("high")


def _import_if_there(name: str) -> Any:
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        return None
    try:
        return importlib.import_module(name)
    except Exception as error:
        # An optional package that is broken must not take the model with it.
        logger.info("%s is installed, but cannot be imported: %s", name, error)
        return None


def load_pickled(path: str) -> Any:
    """What torch.save wrote, also objects that are no tensors: archives are code that the operator trusts."""
    if torch_version() >= (2, 0, 0):
        return torch.load(path, map_location="cpu", weights_only=False)
    return torch.load(path, map_location="cpu")
