"""Helpers for handlers: label mappings, the names of compile backends, the exception that carries a status of its own."""

from __future__ import annotations

import enum
import functools
import json
import logging
import os
import re
import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Type

logger = logging.getLogger(__name__)


class PT2Backend(str, enum.Enum):
    """The backends that `pt2` in model-config.yaml may name."""

    EAGER = "eager"
    AOT_EAGER = "aot_eager"
    INDUCTOR = "inductor"
    NVFUSER = "nvfuser"
    AOT_NVFUSER = "aot_nvfuser"
    AOT_CUDAGRAPHS = "aot_cudagraphs"
    OFI = "ofi"
    FX2TRT = "fx2trt"
    ONNXRT = "onnxrt"
    IPEX = "ipex"
    TORCHXLA_TRACE_ONCE = "torchxla_trace_once"
    OPENVINO = "openvino"
    TENSORRT = "tensorrt"
    HPU_BACKEND = "hpu_backend"


#: HTML tags and entities.
CLEANUP_REGEX = re.compile(r"<.*?>|&(?:[a-z0-9]+|#[0-9]{1,6}|#x[0-9a-f]{1,6});")


class PredictionException(Exception):
    """Raised by a handler to refuse a batch with an HTTP status and a message of its own."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        self.message = message
        self.error_code = error_code
        super().__init__(message)

    def __str__(self) -> str:
        return "%s : %s" % (self.message, self.error_code)


def check_valid_pt2_backend(backend: str) -> bool:
    """Whether torch.compile may be asked for this backend; warns when not."""
    if any(backend == known.value for known in PT2Backend):
        return True
    logger.warning("%s is not a supported backend", backend)
    return False


def list_classes_from_module(module: Any, parent_class: Optional[type] = None) -> List[type]:
    """The classes that a module defines itself, in alphabetical order, optionally only subclasses of one."""
    classes = [
        member
        for _, member in sorted(vars(module).items())
        if isinstance(member, type) and member.__module__ == module.__name__
    ]
    if parent_class is not None:
        classes = [member for member in classes if issubclass(member, parent_class)]
    return classes


def load_label_mapping(mapping_file_path: str) -> Optional[Dict[str, Any]]:
    """The mapping of class numbers to labels from a JSON file; None, with a warning, when there is no such file."""
    if not os.path.isfile(mapping_file_path):
        logger.warning("%s is missing. Inference output will not include class name.", mapping_file_path)
        return None
    with open(mapping_file_path, encoding="utf-8") as file:
        mapping = json.load(file)
    if not isinstance(mapping, dict):
        raise Exception('index->name JSON mapping should be in "class": "label" format.')
    if "object_type_names" in mapping:
        mapping = {str(number): name for number, name in enumerate(mapping["object_type_names"])}
    for number, label in mapping.items():
        if isinstance(label, list):
            mapping[number] = label[-1]
        elif not isinstance(label, str):
            raise Exception("labels in index->name mapping must be either str or List[str]")
    return mapping


def map_class_to_label(
    probs: Sequence[Sequence[float]],
    mapping: Optional[Dict[str, str]] = None,
    lbl_classes: Optional[Sequence[Sequence[int]]] = None,
) -> List[Dict[str, float]]:
    """`{label: probability}` for each row; classes are numbered from 0 when `lbl_classes` does not name them."""
    if not isinstance(probs, list):
        raise Exception("Convert classes to list before doing mapping")
    if mapping is not None and not isinstance(mapping, dict):
        raise Exception("Mapping must be a dict")
    if lbl_classes is None:
        lbl_classes = [range(len(row)) for row in probs]
    labels = mapping or {}
    return [
        {labels.get(str(number), str(number)): probability for number, probability in zip(classes, row)}
        for row, classes in zip(probs, lbl_classes)
    ]


def get_yaml_config(yaml_file_path: str) -> Any:
    """The content of a YAML file, read safely. Needs PyYAML."""
    import yaml

    with open(yaml_file_path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def deprecated(
    version: str, replacement: str = "", klass: Type[Warning] = PendingDeprecationWarning
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks a function as going away in `version`; each call warns."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        message = "%s is deprecated and will be removed in version %s." % (function.__name__, version)
        if replacement:
            message += " Use %s instead." % replacement

        @functools.wraps(function)
        def warn_and_call(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(message, klass, stacklevel=2)
            return function(*args, **kwargs)

        return warn_and_call

    return mark
