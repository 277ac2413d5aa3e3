"""The envelope `body`: the handler gets the bodies of the requests themselves."""

from __future__ import annotations

from typing import Any, List

from ts.torch_handler.request_envelope.base import BaseEnvelope


class BodyEnvelope(BaseEnvelope):
    """A request is what is under `data` or `body`; answers stay as they are."""

    def parse_input(self, data: Any) -> List[Any]:
        return [row.get("data") or row.get("body") for row in data]

    def format_output(self, results: Any) -> Any:
        return results
