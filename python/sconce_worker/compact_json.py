"""The JSON of headers: compact, and without the set-up that the standard library's front doors repeat for every text."""

from __future__ import annotations

import json
from typing import Any, Callable

_decoder = json.JSONDecoder()
# What raw_decode calls, without its frame around it; it is the same object in every Python from 3.8 to 3.14.
_scan = _decoder.scan_once


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, or RecursionError for what nests too deep."""
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (ValueError, StopIteration):
        pass
    return _decoder.decode(text)  # Blanks around the value are legal, and the error of a broken text is worded here.


def _make_encoder() -> Callable[[Any], str]:
    encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    try:
        # JSONEncoder.encode builds this object anew for every text; it costs more than a small header does.
        chunks = make(None, encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        probe = {"a": [1, "é", None]}
        if "".join(chunks(probe, 0)) == encoder.encode(probe):
            return lambda value: "".join(chunks(value, 0))
    except (TypeError, ValueError):
        pass  # An interpreter whose C encoder is made differently.
    return encoder.encode


#: Compact JSON as JavaScript's JSON.stringify writes it. Raises ValueError for NaN and infinities, TypeError for other types.
compact_json = _make_encoder()
