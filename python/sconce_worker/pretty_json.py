"""JSON with two spaces of indentation, to the byte what `json.dumps(value, indent=2)` writes.

The standard library leaves its C encoder as soon as an indentation is asked for. Here every innermost list or object (where the
many numbers of a model's answer are) still goes through it, by way of a separator that contains the line break.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List

_INDENT = "  "
_SCALARS = frozenset((str, int, float, bool, type(None)))
_NAMES = frozenset((str,))

_encode_scalar = json.JSONEncoder(check_circular=False).encode
#: Encoders of innermost containers, by the line break that stands between their items.
_leaf_encoders: Dict[str, Callable[[Any], str]] = {}


def pretty_json(value: Any) -> str:
    """The text. Raises TypeError for what JSON cannot say, and RecursionError for what contains itself or nests too deep."""
    return _encode(value, "\n")


def _encode(value: Any, outer_break: str) -> str:
    if isinstance(value, (list, tuple)):
        if not value:
            return "[]"
        inner_break = outer_break + _INDENT
        if _SCALARS.issuperset(map(type, value)):
            return "[" + inner_break + _leaf_encoder(inner_break)(value)[1:-1] + outer_break + "]"
        inner = ("," + inner_break).join([_encode(item, inner_break) for item in value])
        return "[" + inner_break + inner + outer_break + "]"
    if isinstance(value, dict):
        if not value:
            return "{}"
        inner_break = outer_break + _INDENT
        if _NAMES.issuperset(map(type, value)) and _SCALARS.issuperset(map(type, value.values())):
            return "{" + inner_break + _leaf_encoder(inner_break)(value)[1:-1] + outer_break + "}"
        members: List[str] = [_name(key) + ": " + _encode(item, inner_break) for key, item in value.items()]
        return "{" + inner_break + ("," + inner_break).join(members) + outer_break + "}"
    return _encode_scalar(value)


def _leaf_encoder(inner_break: str) -> Callable[[Any], str]:
    encoder = _leaf_encoders.get(inner_break)
    if encoder is None:
        encoder = json.JSONEncoder(check_circular=False, separators=("," + inner_break, ": ")).encode
        _leaf_encoders[inner_break] = encoder
    return encoder


def _name(key: Any) -> str:
    """A member's name: numbers, booleans and None become text by the standard library's own rule."""
    if type(key) is str:
        return _encode_scalar(key)
    return _encode_scalar({key: 0})[1:-4]
