"""What all request envelopes have in common: they stand between the worker and the handler, for whole batches.

A request that does not have the envelope's form is refused by itself: its answer is an exception, and the others go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Callable, List


class BaseEnvelope(ABC):
    """Takes the rows out of their envelopes, calls the handler with them, and puts its results into envelopes."""

    def __init__(self, handle_fn: Callable[[Any, Any], Any]) -> None:
        self._handle_fn = handle_fn
        self.context: Any = None

    def handle(self, data: Any, context: Any = None) -> Any:
        """Answers a batch."""
        self.context = context
        if not data or self._is_description():
            return self._handle_fn(data, context)
        rows = self.parse_input(data)
        return self._wrapped(rows, self._handle_fn(rows, context) if rows else [])

    async def handle_async(self, data: Any, context: Any = None) -> Any:
        """Answers a batch of one with an async handler. An envelope is good for one call then: it remembers the request."""
        self.context = context
        if not data or self._is_description():
            return await self._handle_fn(data, context)
        rows = self.parse_input(data)
        return self._wrapped(rows, await self._handle_fn(rows, context) if rows else [])

    @abstractmethod
    def parse_input(self, data: Any) -> Any:
        """What the handler gets for the rows of the requests. When it is empty, the handler is not called."""

    @abstractmethod
    def format_output(self, results: Any) -> List[Any]:
        """One answer for each request."""

    def _wrapped(self, rows: Any, results: Any) -> Any:
        # What is empty although there were rows, None for instance, is the worker's to refuse.
        return self.format_output(results) if results or not rows else results

    def _is_description(self) -> bool:
        ask = getattr(self.context, "get_request_header", None)
        return ask is not None and ask(0, "describe") == "True"

    def _is_explanation(self, idx: int) -> bool:
        ask = getattr(self.context, "get_request_header", None)
        return ask is not None and ask(idx, "explain") == "True"
