"""A job's inputs and headers as its handler sees them: the row of `data` and the dictionary of request headers.

Decoding happens here, in the worker, because the server never looks inside a payload.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Dict, Tuple

from sconce_worker.compact_json import parse_json
from sconce_worker.messages import Input, JobRequest

logger = logging.getLogger(__name__)

Row = Dict[str, Any]
RequestHeaders = Dict[str, Any]


def decode_request(job: JobRequest, is_decoding: bool) -> Tuple[Row, RequestHeaders]:
    """The row and the headers of one job. A later duplicate of a name wins. Raises OSError when a spilled body is gone."""
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


def _decode(item: Input, is_decoding: bool) -> Any:
    value = _read_file(item.value) if isinstance(item.value, str) else item.value
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


def _read_file(path: str) -> bytearray:
    with open(path, "rb", buffering=0) as file:
        content = bytearray(os.fstat(file.fileno()).st_size)
        filled = 0
        with memoryview(content) as view:
            while filled < len(view):
                count = file.readinto(view[filled:])
                if not count:
                    raise OSError("%s is shorter than it was" % path)
                filled += count
        return content
