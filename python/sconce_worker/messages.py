"""Frames to what they mean: the server's words, checked at the door.

A message that does not have the protocol's form raises `FrameError`; nobody behind this module looks at raw headers.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Union

from sconce_worker import PROTOCOL_VERSION
from sconce_worker.frames import Frame, FrameError


class Load(NamedTuple):
    """Which model to load, and how."""

    model_name: str
    model_version: str
    model_dir: str
    handler: Optional[str]
    #: How many threads the worker's numerics may use; None where the server does not say.
    threads: Optional[int]
    batch_size: int
    gpu_id: Optional[int]
    envelope: Optional[str]
    limit_max_image_pixels: bool
    decode_input: bool
    model_config: Optional[Dict[str, Any]]
    #: The metrics that the operator lists for handlers, each with name, unit, kind and dimensions; None where no file lists any.
    model_metrics: Optional[List[Dict[str, Any]]]
    #: The largest answer (or part of a stream) in bytes; 0 is no limit.
    max_response_bytes: int
    #: How much of a job's stream may be sent before the server grants more.
    credit_bytes: int
    server_version: str
    rank: int
    world_size: int


class StoredValue(NamedTuple):
    """A value that is in a file because it is large: so many bytes from an offset on."""

    path: str
    offset: int
    length: int


class Input(NamedTuple):
    """One named value of a job: bytes that came along, or where they are."""

    name: str
    content_type: str
    value: Union[bytearray, StoredValue]


class JobRequest(NamedTuple):
    """One job of a batch, as the server sent it."""

    id: Any
    request_id: str
    kind: str
    headers: List[List[str]]
    inputs: List[Input]
    #: Whether nobody has sent it: it is there to warm the worker up, and whoever packed the model is to hear why it fails.
    is_warm_up: bool = False


def parse_load(frame: Frame) -> Load:
    """The first frame of a worker's life."""
    header = frame.header
    if header["type"] != "load":
        raise _malformed("the first frame must be load, not %s" % header["type"])
    if header.get("protocol") != PROTOCOL_VERSION:
        raise _malformed(
            "the server speaks protocol %r, this worker %d: both must come from the same release"
            % (header.get("protocol"), PROTOCOL_VERSION)
        )
    try:
        return Load(
            model_name=header["modelName"],
            model_version=header["modelVersion"],
            model_dir=header["modelDir"],
            handler=header.get("handler"),
            threads=None if header.get("threads") is None else int(header["threads"]),
            batch_size=int(header.get("batchSize") or 1),
            gpu_id=header.get("gpuId"),
            envelope=header.get("envelope") or None,
            limit_max_image_pixels=bool(header.get("limitMaxImagePixels", True)),
            decode_input=bool(header.get("decodeInput", True)),
            model_config=header.get("modelConfig"),
            model_metrics=header.get("modelMetrics"),
            max_response_bytes=int(header.get("maxResponseBytes") or 0),
            credit_bytes=int(header["creditBytes"]),
            server_version=str(header.get("serverVersion", "")),
            rank=int(header.get("rank") or 0),
            world_size=int(header.get("worldSize") or 1),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed("load: %r" % error) from None


def parse_predict(frame: Frame) -> List[JobRequest]:
    """The jobs of a `predict`, each input with its part."""
    header, parts = frame
    if header["type"] != "predict":
        raise FrameError("type-unknown", "a worker that is ready takes predict, not %s" % header["type"])
    jobs = []
    taken = 0
    is_warm_up = header.get("warmUp") is True
    try:
        for job in header["jobs"]:
            inputs = []
            for item in job["inputs"]:
                file = item.get("file")
                if file is None:
                    inputs.append(Input(item["name"], item.get("contentType") or "", parts[taken]))
                    taken += 1
                else:
                    stored = StoredValue(str(file), int(item["offset"]), int(item["length"]))
                    inputs.append(Input(item["name"], item.get("contentType") or "", stored))
            jobs.append(JobRequest(job["id"], job["requestId"], job["kind"], job["headers"], inputs, is_warm_up))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _malformed("predict: %r" % error) from None
    if taken != len(parts):
        raise _malformed("predict has %d parts for %d inputs" % (len(parts), taken))
    return jobs


def _malformed(message: str) -> FrameError:
    return FrameError("malformed", message)
