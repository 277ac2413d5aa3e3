"""The link between a handler's context and the jobs of its batch: streaming and cancellation."""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from sconce_worker.outbox import OpenJob, Outbox, Outcome, Output
from sconce_worker.results import JobError, encode_result, job_error, response_head
from ts.context import BatchLink
from ts.handler_utils.cancellation import RequestCancelled

logger = logging.getLogger(__name__)

#: The header by which TorchServe's clients tell a streamed answer.
STREAM_HEADER = "ts_stream_next"


class Room:
    """What sending returns: awaiting it suspends a coroutine until every job of the part has credit for the next one."""

    __slots__ = ("_jobs",)

    def __init__(self, jobs: Sequence[OpenJob]) -> None:
        self._jobs = jobs

    def __await__(self) -> Iterator[Any]:
        for job in self._jobs:
            if not job.has_credit:
                yield from _credit_of(job).__await__()


async def _credit_of(job: OpenJob) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    has_changed = asyncio.Event()
    job.on_credit = lambda: loop.call_soon_threadsafe(has_changed.set)
    try:
        # Asked again after the callback is there: the credit may have come in between.
        while not job.has_credit:
            await has_changed.wait()
            has_changed.clear()
    finally:
        job.on_credit = None


class WorkerLink(BatchLink):
    """The link of one batch; its requests are numbered like the rows that the handler got."""

    def __init__(self, outbox: Outbox, jobs: Sequence[OpenJob], max_bytes: int, may_wait: bool, may_stop: bool) -> None:
        self._outbox = outbox
        self._jobs = jobs
        self._max_bytes = max_bytes
        #: Whether a slow client may hold up the calling thread.
        self._may_wait = may_wait
        #: Whether a handler may be stopped: one rank of several must not leave the others waiting.
        self._may_stop = may_stop

    def is_cancelled(self, idx: int) -> bool:
        return self._jobs[idx].is_cancelled

    def send_intermediate(self, ret: Any, req_id_map: Dict[int, str], message: str, code: int, context: Any) -> Any:
        parts: List[Tuple[OpenJob, Outcome]] = []
        for idx, request_id in req_id_map.items():
            outcome = self._outcome(ret, idx, message, code, context)
            if isinstance(outcome, JobError):
                logger.error("The stream of request %s ends: %s", request_id, outcome.message)
            parts.append((self._jobs[idx], outcome))
        self._outbox.stream(parts, self._may_wait)
        if self._may_stop and all(job.is_cancelled for job in self._jobs):
            raise RequestCancelled("nobody waits for the requests of this batch any more")
        return Room([job for job, _ in parts])

    def _outcome(self, ret: Any, idx: int, message: str, code: int, context: Any) -> Outcome:
        if code != 200:
            return JobError("HANDLER_ERROR", message, code)
        try:
            if isinstance(ret[idx], BaseException):
                logger.error("The handler failed for one request.", exc_info=ret[idx])
                return job_error(ret[idx])
            body = encode_result(ret[idx], idx, self._max_bytes)
            return Output(response_head(context.request_processor[idx], (STREAM_HEADER, "true")), body)
        except JobError as error:
            return error
