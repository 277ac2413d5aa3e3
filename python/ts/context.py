"""What a handler knows about its model and about the requests of the batch at hand.

`Context` and `RequestProcessor` are plain objects: handlers read them, change them and hang attributes of their own on them.
The worker fills them in; the only way from here to the wire is the `BatchLink` that it sets for each batch.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional, Tuple


class RequestProcessor:
    """One request's headers, and the status and headers of its answer."""

    def __init__(self, request_header: Dict[str, Any]) -> None:
        self._status_code = 200
        self._reason_phrase: Optional[str] = None
        self._response_header: Dict[str, str] = {}
        self._request_header = request_header

    def get_request_property(self, key: str) -> Any:
        """A request header by its exact name, None when absent."""
        return self._request_header.get(key)

    def get_request_properties(self) -> Dict[str, Any]:
        """All request headers; before them, one entry `{"content-type": …}` for each input."""
        return self._request_header

    def report_status(self, code: int, reason_phrase: Optional[str] = None) -> None:
        """Sets the answer's HTTP status (200 to 999) and reason phrase."""
        self._status_code = code
        self._reason_phrase = reason_phrase

    def get_response_status_code(self) -> int:
        return self._status_code

    def get_response_status_phrase(self) -> Optional[str]:
        return self._reason_phrase

    def add_response_property(self, key: str, value: str) -> None:
        """Sets a header of the answer; the value must be a str."""
        self._response_header[key] = value

    def get_response_headers(self) -> Dict[str, str]:
        """The answer's headers; changing this dictionary changes the answer."""
        return self._response_header

    def get_response_header(self, key: str) -> Optional[str]:
        return self._response_header.get(key)


class BatchLink:
    """The way from a context to the worker while a batch is computed; this one stands for "no worker"."""

    def is_cancelled(self, idx: int) -> bool:
        """Whether nobody waits for the answer of request `idx` any more."""
        return False

    def send_intermediate(self, ret: Any, req_id_map: Dict[int, str], message: str, code: int, context: Any) -> Any:
        """Sends a part of a streamed answer; returns something to await, which takes until there is room for the next part."""
        raise RuntimeError("A part of an answer can be sent only while a Sconce worker runs the handler.")

    def __deepcopy__(self, memo: Any) -> "BatchLink":
        # A copied context (handlers with async functions get one for each request) speaks to the same worker.
        return self


_NO_LINK = BatchLink()


class Context:
    """One for each worker. During the load, `request_ids` and `request_processor` are None."""

    def __init__(
        self,
        model_name: str,
        model_dir: str,
        manifest: Optional[Dict[str, Any]],
        batch_size: Optional[int],
        gpu: Optional[int],
        mms_version: Optional[str],
        limit_max_image_pixels: bool = True,
        metrics: Any = None,
        model_yaml_config: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.model_name = model_name
        self.manifest = manifest
        self._system_properties = {
            "model_dir": model_dir,
            "gpu_id": gpu,
            "batch_size": batch_size,
            "server_name": "MMS",
            "server_version": mms_version,
            "limit_max_image_pixels": limit_max_image_pixels,
        }
        self.request_ids: Optional[Dict[int, str]] = None
        # Any: None while loading, then a list. Asking for a request while loading is the caller's mistake, a TypeError.
        self._request_processor: Any = None
        self._metrics = metrics
        self._limit_max_image_pixels = True
        self.model_yaml_config = model_yaml_config
        self.stopping_criteria: Any = None
        self.header_key_sequence_id = os.environ.get("TS_REQUEST_SEQUENCE_ID", "ts_request_sequence_id")
        self.header_key_sequence_start = os.environ.get("TS_REQUEST_SEQUENCE_START", "ts_request_sequence_start")
        self.header_key_sequence_end = os.environ.get("TS_REQUEST_SEQUENCE_END", "ts_request_sequence_end")
        #: Always None: the wire is Sconce's own, and `send_intermediate_predict_response` is the way to write to it.
        self.cl_socket = None
        self._link = _NO_LINK

    @property
    def system_properties(self) -> Dict[str, Any]:
        return self._system_properties

    @property
    def request_processor(self) -> Any:
        return self._request_processor

    @request_processor.setter
    def request_processor(self, request_processor: Any) -> None:
        self._request_processor = request_processor

    @property
    def metrics(self) -> Any:
        return self._metrics

    @metrics.setter
    def metrics(self, metrics: Any) -> None:
        self._metrics = metrics

    def is_cancelled(self, idx: int = 0) -> bool:
        """Whether the client of request `idx` has gone or its time is over: a long computation can stop. Sconce only."""
        return self._link.is_cancelled(idx)

    def get_request_id(self, idx: int = 0) -> Optional[str]:
        return None if self.request_ids is None else self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> Any:
        """A request header, spelled as the client spelled it; None when absent."""
        return self._request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> Dict[str, Any]:
        return self._request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> Optional[str]:
        return self.get_response_headers(idx).get("content-type")

    def get_response_status(self, idx: int) -> Tuple[int, Optional[str]]:
        processor = self._request_processor[idx]
        return processor.get_response_status_code(), processor.get_response_status_phrase()

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Sets one answer's status; does nothing outside a batch."""
        if self._request_processor is not None and self._request_processor[idx] is not None:
            self._request_processor[idx].report_status(code, reason_phrase=phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Sets the status of every answer of the batch."""
        for processor in self._request_processor or ():
            if processor is not None:
                processor.report_status(code, reason_phrase=phrase)

    def get_response_headers(self, idx: int) -> Dict[str, str]:
        return self._request_processor[idx].get_response_headers()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Sets a header of one answer. The value must be a str that HTTP can carry, or that request fails."""
        self._request_processor[idx].add_response_property(key, value)

    def get_sequence_id(self, idx: int) -> Optional[str]:
        """The id of the sequence that a request belongs to."""
        return self.get_request_header(idx, self.header_key_sequence_id)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Context) and self.__dict__ == other.__dict__

    # Comparing by value takes the hash away; the object itself stays usable as a key.
    __hash__ = object.__hash__
