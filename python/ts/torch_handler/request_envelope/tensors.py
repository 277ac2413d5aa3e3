"""Tensors of version 2 of KServe's protocol, as lists: from a datatype, a shape and values to nested lists, and back.

Not an envelope itself. The standard library is enough: results that bring their own type (numpy, torch) are asked for it.
"""

from __future__ import annotations

import math
import struct
from array import array
from typing import Any, Callable, Dict, List, Tuple

from ts.torch_handler.request_envelope.batch_parts import bad_request

#: What `array` calls the types. Half precision and booleans it does not know.
_ARRAY_CODES = {
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP32": "f",
    "FP64": "d",
}
_TYPES_BY_NAME = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    **{prefix.lower() + bits: prefix.upper() + bits for prefix in ("int", "uint") for bits in ("8", "16", "32", "64")},
}


def _converter(code: str) -> Callable[[List[Any]], List[Any]]:
    if code in "fd":
        return lambda values: array(code, values).tolist()
    return lambda values: _integers(code, values)


def _half(values: List[Any]) -> List[float]:
    form = "%de" % len(values)
    return list(struct.unpack(form, struct.pack(form, *values)))


_CONVERSIONS: Dict[str, Callable[[List[Any]], List[Any]]] = {
    "BOOL": lambda values: [bool(value) for value in values],
    "FP16": _half,
    **{name: _converter(code) for name, code in _ARRAY_CODES.items()},
}


def nested_values(tensor: Any) -> Any:
    """The values of an input, nested by its shape, each as its datatype can hold it.

    Raises PredictionException (400), naming the input, for values that do not fit datatype or shape.
    """
    name = tensor.get("name")
    convert = _CONVERSIONS.get(tensor.get("datatype"))
    if convert is None:
        raise bad_request(
            "input %s has the datatype %s; it may be BYTES, %s"
            % (name, tensor.get("datatype"), ", ".join(_CONVERSIONS))
        )
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise bad_request("input %s must have shape, a list of sizes" % name)
    values = flattened(tensor.get("data"))
    if len(values) != math.prod(shape):
        raise bad_request(
            "input %s has %d values, and its shape %s asks for %d" % (name, len(values), shape, math.prod(shape))
        )
    try:
        values = convert(values)
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise bad_request("input %s has values that are no %s: %s" % (name, tensor["datatype"], error)) from None
    return _nested(values, shape)


def flattened(value: Any) -> List[Any]:
    """All values of nested lists, in order; of a tensor or an array, too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return [value]
    flat: List[Any] = []
    for item in value:
        flat.extend(flattened(item) if isinstance(item, (list, tuple)) or hasattr(item, "tolist") else (item,))
    return flat


def described(result: Any) -> Tuple[str, List[Any]]:
    """The datatype of a result and its values. Values of several types are BYTES, unless all are numbers."""
    values = flattened(result)
    own = str(getattr(result, "dtype", "")).rpartition(".")[2]
    if own in _TYPES_BY_NAME:
        return _TYPES_BY_NAME[own], values
    kinds = {type(value) for value in values}
    if not kinds or kinds == {float} or kinds == {int, float}:
        return "FP64", values
    if kinds == {bool}:
        return "BOOL", values
    if kinds <= {bool, int}:
        return "INT64", [int(value) for value in values]
    return "BYTES", values


def _nested(values: List[Any], shape: List[int]) -> Any:
    if not shape:
        return values[0]
    if len(shape) == 1:
        return values
    size = len(values) // shape[0] if shape[0] else 0
    return [_nested(values[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


def _integers(code: str, values: List[Any]) -> List[int]:
    whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return array(code, whole).tolist()
