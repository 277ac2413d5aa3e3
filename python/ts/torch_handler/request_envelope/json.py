"""The envelope `json`: `{"instances": […]}` in, `{"predictions": […]}` out."""

from __future__ import annotations

import base64
import json
from typing import Any, List

from ts.torch_handler.request_envelope.base import BaseEnvelope
from ts.torch_handler.request_envelope.batch_parts import BatchParts, bad_request, body_of, list_of
from ts.torch_handler.request_envelope.json_text import JsonText
from ts.utils.util import PredictionException


class JSONEnvelope(BaseEnvelope):
    """The handler gets the instances of all requests; what is written as `{"b64": text}` arrives as bytes."""

    def parse_input(self, data: Any) -> List[Any]:
        self._parts = BatchParts()
        for row in data:
            try:
                self._parts.add([_decoded(instance) for instance in list_of(body_of(row), "instances")])
            except PredictionException as error:
                self._parts.refuse(error)
        return self._parts.rows

    def format_output(self, results: Any) -> List[Any]:
        return [_predictions(part) for part in self._parts.split(results)]


def _predictions(part: Any) -> Any:
    if isinstance(part, BaseException):
        return part
    answer = {"predictions": part}
    try:
        return JsonText(json.dumps(answer))
    except (TypeError, ValueError):
        return answer  # The worker words what JSON cannot say, and for this request only.


def _decoded(instance: Any) -> Any:
    if not isinstance(instance, dict):
        return instance
    if _is_base64(instance):
        return _bytes_of(instance)
    return {name: _bytes_of(value) if _is_base64(value) else value for name, value in instance.items()}


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["b64"]


def _bytes_of(value: Any) -> bytes:
    try:
        return base64.b64decode(value["b64"])
    except (TypeError, ValueError) as error:
        raise bad_request("b64 must be text in base64: %s" % error) from None
