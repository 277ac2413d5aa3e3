"""The body of a request to a language model, and the connection as vLLM's serving classes ask for it."""

from __future__ import annotations

import json
from typing import Any, Dict

from ts.utils.util import PredictionException


def completion_body(rows: Any) -> Dict[str, Any]:
    """The JSON object that the only request of the batch sent. Raises PredictionException (400) for anything else."""
    if len(rows) != 1:
        raise PredictionException("this model takes one request at a time: set batchSize to 1", 500)
    body = rows[0].get("data") or rows[0].get("body") or {}
    if isinstance(body, (bytes, bytearray, str)):
        try:
            body = json.loads(body)
        except ValueError as error:
            raise PredictionException("the body is not JSON: %s" % error, 400) from None
    if not isinstance(body, dict):
        raise PredictionException("the body must be a JSON object", 400)
    return body


class Connection:
    """What vLLM asks of a web framework's request: its headers, and whether the client is still there."""

    def __init__(self, context: Any) -> None:
        self.headers: Dict[str, str] = {}
        self._context = context

    async def is_disconnected(self) -> bool:
        return self._context.is_cancelled(0)
