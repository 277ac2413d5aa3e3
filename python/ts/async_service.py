"""Calling a handler with async functions outside of a server; in a worker, `asyncCommunication: true` does it."""

from __future__ import annotations

import copy
from typing import Any, Dict, List

from ts._absent import calling
from ts.service import Service


async def predict(self: Service, batch: List[Dict[str, Any]]) -> Any:
    """Awaits the handler of a service, with a context of its own for this batch, and returns what it returned."""
    processors, rows, request_ids = Service.retrieve_data_for_inference(batch)
    context = copy.deepcopy(self.context)
    context.request_ids = request_ids
    context.request_processor = processors
    if context.metrics is not None:
        context.metrics.set_request_ids(request_ids)
    return await self._entry_point(rows, context)


class AsyncService:
    """A service whose handler is awaited."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def call_predict(self, batch: List[Dict[str, Any]]) -> Any:
        return await predict(self.service, batch)

    def run(self) -> None:
        """Ran TorchServe's loop. Raises NotImplementedError, with what to use instead."""
        raise calling("ts.async_service.AsyncService.run")
