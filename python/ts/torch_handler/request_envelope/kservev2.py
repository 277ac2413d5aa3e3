"""The envelope `kservev2`, version 2 of KServe's protocol: named tensors in, named tensors out."""

from __future__ import annotations

from typing import Any, Dict, List

from ts.torch_handler.request_envelope.base import BaseEnvelope
from ts.torch_handler.request_envelope.batch_parts import BatchParts, bad_request, body_of, list_of
from ts.torch_handler.request_envelope.tensors import described, nested_values
from ts.utils.util import PredictionException


class KServev2Envelope(BaseEnvelope):
    """The handler gets the inputs of all requests, `data` nested by their shapes; its results are named after the inputs."""

    def parse_input(self, data: Any) -> List[Any]:
        self._parts = BatchParts()
        self._ids: List[Any] = []
        self._names: List[List[Any]] = []
        for row in data:
            try:
                body = body_of(row)
                inputs = [_input(each) for each in list_of(body, "inputs")]
                self._parts.add(inputs)
                self._ids.append(body.get("id"))
                self._names.append([each.get("name") for each in inputs])
            except PredictionException as error:
                self._parts.refuse(error)
                self._ids.append(None)
                self._names.append([])
        if self.context is not None:
            self.context.input_names = [name for names in self._names for name in names]
            # Of the first request, as handlers for one request expect it; None when it has no id.
            self.context.input_request_id = self._ids[0] if str(self._ids[0] or "").strip() else None
        return self._parts.rows

    def format_output(self, results: Any) -> List[Any]:
        return [
            part if isinstance(part, BaseException) else self._answer(idx, part)
            for idx, part in enumerate(self._parts.split(results))
        ]

    def _answer(self, idx: int, results: List[Any]) -> Any:
        names = self._names[idx]
        if len(results) > len(names):
            return IndexError("the handler returned %d results for %d inputs" % (len(results), len(names)))
        model: Dict[str, Any] = (getattr(self.context, "manifest", None) or {}).get("model") or {}
        own_id = self._ids[idx]
        return {
            "id": own_id if str(own_id or "").strip() else _request_id(self.context, idx),
            "model_name": model.get("modelName"),
            "model_version": model.get("modelVersion"),
            "outputs": [_output(name, result) for name, result in zip(names, results)],
        }


def _input(given: Any) -> Dict[str, Any]:
    if not isinstance(given, dict):
        raise bad_request("inputs must be a list of objects")
    if given.get("datatype") != "BYTES":
        return dict(given, data=nested_values(given))
    values = given.get("data")
    # One text, as nearly all models take it, comes without its list; several stay together.
    return dict(given, data=values[0] if isinstance(values, list) and len(values) == 1 else values)


def _output(name: Any, result: Any) -> Dict[str, Any]:
    datatype, values = described(result)
    return {"name": name, "datatype": datatype, "data": values, "shape": [len(values)]}


def _request_id(context: Any, idx: int) -> Any:
    ask = getattr(context, "get_request_id", None)
    return None if ask is None else ask(idx)
