"""Which of the handler's rows belong to which request, when a request may bring several.

Not an envelope itself: `json`, `kserve` and `kservev2` keep one of these for each batch.
"""

from __future__ import annotations

import json
from typing import Any, List, Union

from ts.utils.util import PredictionException

_BAD_REQUEST = 400


class BatchParts:
    """The rows of a batch in order, and for each request how many are its own, or why it was refused."""

    def __init__(self) -> None:
        self.rows: List[Any] = []
        self._requests: List[Union[int, PredictionException]] = []

    def add(self, rows: List[Any]) -> None:
        """The next request, with its rows."""
        self.rows.extend(rows)
        self._requests.append(len(rows))

    def refuse(self, error: PredictionException) -> None:
        """The next request, which the handler does not get."""
        self._requests.append(error)

    def split(self, results: Any) -> List[Any]:
        """For each request the list of its results, or the exception that ended it: its refusal, or one among its results.

        Raises ValueError when the results cannot be divided. A single request gets all of them, however many there are.
        """
        accepted = [request for request in self._requests if isinstance(request, int)]
        if len(accepted) > 1 and len(results) != len(self.rows):
            raise ValueError(
                "The handler returned %d results for the %d rows of %d requests: with an envelope, it must return one for each row."
                % (len(results), len(self.rows), len(accepted))
            )
        parts: List[Any] = []
        start = 0
        for request in self._requests:
            if not isinstance(request, int):
                parts.append(request)
                continue
            part = list(results) if len(accepted) == 1 else list(results[start : start + request])
            start += request
            failed = [result for result in part if isinstance(result, BaseException)]
            parts.append(failed[0] if failed else part)
        return parts


def body_of(row: Any) -> Any:
    """The body of a request, as JSON tells it. Raises PredictionException (400) for what is no JSON object."""
    body = row
    if isinstance(row, dict):
        body = row.get("data") or row.get("body") or row
    if isinstance(body, (bytes, bytearray, str)):
        try:
            body = json.loads(body)
        except ValueError as error:
            raise bad_request("the body is not JSON: %s" % error) from None
    if not isinstance(body, dict):
        raise bad_request("the body must be a JSON object")
    return body


def list_of(body: Any, field: str) -> List[Any]:
    """A list in a body. Raises PredictionException (400) when it has none of this name."""
    value = body.get(field)
    if not isinstance(value, list):
        raise bad_request("the body must have %s, a list" % field)
    return value


def bad_request(message: str) -> PredictionException:
    return PredictionException(message, _BAD_REQUEST)
