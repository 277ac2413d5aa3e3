"""A job's inputs and headers as its handler sees them: the row of `data` and the dictionary of request headers.

Decoding happens here, in the worker, because the server never looks inside a payload.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Sequence, Tuple

from sconce_worker.compact_json import parse_json
from sconce_worker.messages import Input, JobRequest, StoredValue

logger = logging.getLogger(__name__)

Row = Dict[str, Any]
RequestHeaders = Dict[str, Any]


def decode_request(job: JobRequest, is_decoding: bool) -> Tuple[Row, RequestHeaders]:
    """The row and the headers of one job. A later duplicate of a name wins. Raises OSError when the file of a large one is gone."""
    row: Row = {}
    headers: RequestHeaders = {}
    for item in job.inputs:
        row[item.name] = _decode(item, is_decoding)
        headers[item.name] = {"content-type": item.content_type}
    for name, value in job.headers:
        headers[name] = value
    # The kind is the server's word; a client's header of the same name must not change it.
    if job.kind == "describe":
        headers["describe"] = "True"
    elif job.kind == "explain":
        headers["explain"] = "True"
    elif "explain" in headers:
        headers["explain"] = "False"
    return row, headers


def has_stored(requests: Sequence[JobRequest]) -> bool:
    """Whether there is a value that has to be read from a file, which takes time."""
    return any([type(item.value) is StoredValue for request in requests for item in request.inputs])


def read_stored(requests: List[JobRequest]) -> List[JobRequest]:
    """The same with the values from files in memory, for a thread that may wait. What cannot be read is left for `decode_request`."""
    if not has_stored(requests):
        return requests
    return [request._replace(inputs=[_in_memory(item) for item in request.inputs]) for request in requests]


def _in_memory(item: Input) -> Input:
    if not isinstance(item.value, StoredValue):
        return item
    try:
        return item._replace(value=_read_file(item.value))
    except (OSError, MemoryError):
        return item


def _decode(item: Input, is_decoding: bool) -> Any:
    value = _read_file(item.value) if isinstance(item.value, StoredValue) else item.value
    if not is_decoding:
        return value
    content_type = item.content_type
    if content_type == "application/json":
        try:
            return parse_json(value.decode("utf-8"))
        except (ValueError, RecursionError):
            logger.warning("Input %r is called JSON, but is not: the handler gets its bytes.", item.name)
    elif content_type.startswith("text"):
        try:
            return value.decode("utf-8")
        except ValueError:
            logger.warning("Input %r is called text, but is not UTF-8: the handler gets its bytes.", item.name)
    return value


def _read_file(stored: StoredValue) -> bytearray:
    with open(stored.path, "rb", buffering=0) as file:
        file.seek(stored.offset)
        content = bytearray(stored.length)
        filled = 0
        with memoryview(content) as view:
            while filled < len(view):
                count = file.readinto(view[filled:])
                if not count:
                    raise OSError("%s is shorter than it was" % stored.path)
                filled += count
        return content
