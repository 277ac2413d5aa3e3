"""The envelope `kserve`, version 1 of KServe's protocol: `{"instances": […]}` in, `{"predictions": […]}` out."""

from __future__ import annotations

from typing import Any, List

from ts.torch_handler.request_envelope.base import BaseEnvelope
from ts.torch_handler.request_envelope.batch_parts import BatchParts, body_of, list_of
from ts.utils.util import PredictionException


class KServeEnvelope(BaseEnvelope):
    """The handler gets the instances of all requests. Explanations answer `{"explanations": […]}`."""

    def parse_input(self, data: Any) -> List[Any]:
        self._parts = BatchParts()
        for row in data:
            try:
                self._parts.add(list_of(body_of(row), "instances"))
            except PredictionException as error:
                self._parts.refuse(error)
        return self._parts.rows

    def format_output(self, results: Any) -> List[Any]:
        answers = []
        for idx, part in enumerate(self._parts.split(results)):
            name = "explanations" if self._is_explanation(idx) else "predictions"
            answers.append(part if isinstance(part, BaseException) else {name: part})
        return answers
