"""What a handler returned, as bytes and as the head of an answer: the last place that knows Python values.

A result that cannot be sent is the error of its own job (`JobError`), never of its batch mates.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from sconce_worker.frames import Buffer
from sconce_worker.load_failure import is_out_of_memory, last_lines, summary
from sconce_worker.pretty_json import pretty_json
from ts.utils.util import PredictionException

# What an HTTP/1.1 header can carry: RFC 9110's token, and text without control characters.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch

#: More than any HTTP client takes; and the heads of a whole batch must fit into one frame's header.
_HEAD_CHARACTERS = 64 * 1024

Head = Dict[str, Any]
_PLAIN_HEAD: Head = {}


class JobError(Exception):
    """The end of one job without an answer: a code of the protocol, the words for the client, a status for HANDLER_ERROR.

    `trace` is for whoever packed the model, where it is they who are told.
    """

    def __init__(self, code: str, message: str, status: Optional[int] = None, trace: Optional[str] = None) -> None:
        super().__init__(message)
        self.code = code
        self.trace = trace
        self.message = message if len(message) <= _HEAD_CHARACTERS else message[:_HEAD_CHARACTERS] + "…"
        self.status = status


class Body(NamedTuple):
    """The bytes of a result, and how it was encoded: `json`, `text` or `binary`."""

    kind: str
    value: Buffer


def job_error(error: BaseException, is_warm_up: bool = False) -> JobError:
    """How an exception of the handler ends a job: one that it raised, or one that it returned as a request's result.

    Of a request that warms the worker up, all is told; a client hears nothing of the handler's inside.
    """
    plain = _job_error(error)
    if not is_warm_up:
        return plain
    message = plain.message if plain.code == "HANDLER_ERROR" else summary(error)
    return JobError(plain.code, message, plain.status, last_lines(error))


def _job_error(error: BaseException) -> JobError:
    if isinstance(error, PredictionException):
        status = error.error_code
        is_status = isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 999
        return JobError("HANDLER_ERROR", str(error.message), int(status) if is_status else 500)
    if is_out_of_memory(error) or "CUDA" in _text(error):
        return JobError("OUT_OF_RESOURCES", "Out of resources")
    return JobError("PREDICTION_FAILED", "Prediction failed")


def check_results(results: Any, expected: int) -> List[Any]:
    """The list of results, one for each request. Raises JobError, which then holds for the whole batch."""
    if isinstance(results, list) and len(results) == expected:
        return results
    requests = "1 result" if expected == 1 else "%d results, one for each request," % expected
    if not isinstance(results, list):
        hint = ""
        if hasattr(results, "__await__"):
            hint = " A handler with async functions needs asyncCommunication: true in model-config.yaml."
        elif hasattr(results, "__next__") or hasattr(results, "__anext__"):
            hint = " Send parts of an answer with send_intermediate_predict_response, and return a list at the end."
        raise JobError(
            "OUTPUT_NOT_A_LIST",
            "The handler returned a %s where a list of %s was expected.%s" % (_type_name(results), requests, hint),
        )
    raise JobError(
        "OUTPUT_WRONG_LENGTH",
        "The handler returned a list of length %d where a list of %s was expected." % (len(results), requests),
    )


def encode_result(result: Any, index: int, max_bytes: int) -> Body:
    """The bytes of one result. Raises JobError for what cannot be sent or is larger than `max_bytes` (0: no limit)."""
    try:
        body = _encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        why = "it contains itself, or nests too deep" if isinstance(error, RecursionError) else str(error)
        raise JobError(
            "OUTPUT_NOT_SERIALISABLE",
            "Result %d of the handler (type %s) cannot be sent: %s. Return str, bytes, a tensor, or what JSON can say."
            % (index, _type_name(result), why),
        ) from None
    size = len(body.value)
    if max_bytes and size > max_bytes:
        raise JobError(
            "RESPONSE_TOO_LARGE",
            "The answer has %d bytes; max_response_size allows %d. Raise it, or let the handler answer with less."
            % (size, max_bytes),
        )
    return body


def response_head(processor: Any, extra: Optional[Tuple[str, str]] = None) -> Head:
    """`status`, `reason` and `headers` as far as the handler set them on this request; `extra` replaces a header.

    Raises JobError for a header or a status that HTTP cannot carry.
    """
    if processor is None:
        headers: Dict[Any, Any] = {}
        status, reason = 200, None
    else:
        headers = processor.get_response_headers() or {}
        status, reason = processor.get_response_status_code(), processor.get_response_status_phrase()
    if extra is None and not headers and status == 200 and not reason:
        return _PLAIN_HEAD
    head: Head = {}
    if status != 200:
        if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 999:
            raise _invalid("the status %.80r: it must be an integer from 200 to 999" % (status,))
        head["status"] = int(status)
    if reason:
        if not isinstance(reason, str) or not _HEADER_VALUE(reason):
            raise _invalid("the reason phrase %.80r" % (reason,))
        head["reason"] = reason
    pairs = []
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME(name):
            raise _invalid("a header named %.80r" % (name,))
        if not isinstance(value, str):
            raise _invalid("header %s to a %s: a header's value must be a str" % (name, _type_name(value)))
        if not _HEADER_VALUE(value):
            raise _invalid("header %s to a value with a line break or another character that HTTP cannot carry" % name)
        if extra is None or name.lower() != extra[0]:
            pairs.append([name, value])
    if sum(len(name) + len(value) for name, value in pairs) + len(reason or "") > _HEAD_CHARACTERS:
        raise _invalid("headers of more than %d characters" % _HEAD_CHARACTERS)
    if extra is not None:
        pairs.append(list(extra))
    if pairs:
        head["headers"] = pairs
    return head


def _encode(result: Any) -> Body:
    if isinstance(result, str):
        # An envelope says of the JSON that it has written what it is.
        return Body(getattr(result, "result_kind", "text"), result.encode("utf-8"))
    if isinstance(result, (bytes, bytearray)):
        return Body("binary", result)
    # A handler that returns tensors has imported torch; nobody else pays for it.
    torch = sys.modules.get("torch")
    tensor_type = getattr(torch, "Tensor", None)
    if isinstance(tensor_type, type) and isinstance(result, tensor_type):
        return Body("binary", _save_tensor(torch, result))
    return Body("json", pretty_json(result).encode("ascii"))


def _save_tensor(torch: Any, tensor: Any) -> Buffer:
    import io

    file = io.BytesIO()
    torch.save(tensor, file)
    return file.getvalue()


def _invalid(what: str) -> JobError:
    return JobError("OUTPUT_HEADER_INVALID", "The handler set %s." % what)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
