"""Continuous batching: one batch that never ends, which jobs join and leave between two calls of the handler.

Each call gets every open job, in the order in which they came: with its inputs the first time, as `{}` afterwards. What the
handler returns for a job is the next part of its answer; whether it is the last one say `context.stopping_criteria`, or the
response header `ts_stream_next`.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Dict, List, Sequence, Tuple

from sconce_worker.batch_link import STREAM_HEADER
from sconce_worker.frames import FrameReader
from sconce_worker.inputs import RequestHeaders, Row
from sconce_worker.messages import JobRequest, parse_predict
from sconce_worker.outbox import OpenJob, Outbox, Outcome
from sconce_worker.results import JobError, check_results
from sconce_worker.service import NOTHING, Batch, Service
from ts.context import RequestProcessor

logger = logging.getLogger(__name__)


def serve_continuously(reader: FrameReader, service: Service, outbox: Outbox) -> None:
    """Calls the handler for as long as jobs are open, taking in between what has come; waits only when there are none."""
    batch = OpenBatch(service, outbox)
    has_ended = False
    while batch.is_open or not has_ended:
        while not has_ended and (not batch.is_open or reader.has_more()):
            frame = reader.read()
            if frame is None:
                has_ended = True
            else:
                batch.join(parse_predict(frame))
        batch.call()
    outbox.flush()


class _Member:
    """A job of the batch, and what the next call gets of it."""

    __slots__ = ("job", "request_id", "headers", "row")

    def __init__(self, job: OpenJob, request_id: str, headers: RequestHeaders, row: Row) -> None:
        self.job = job
        self.request_id = request_id
        self.headers = headers
        self.row = row


class OpenBatch:
    """The jobs that are open now."""

    def __init__(self, service: Service, outbox: Outbox) -> None:
        self._service = service
        self._outbox = outbox
        self._members: List[_Member] = []
        self._joined: List[OpenJob] = []
        #: Whether the server has heard something since the call before the last one.
        self._has_spoken = False

    @property
    def is_open(self) -> bool:
        return bool(self._members)

    def join(self, requests: Sequence[JobRequest]) -> None:
        """Takes jobs in for the next call. What is no prediction is answered at once, in a call of its own."""
        if requests and requests[0].kind != "predict":
            self._service.run(requests)
            self._outbox.flush()
            return
        batch = self._service.accept(requests)
        if batch is None:
            return
        for index, job in enumerate(batch.jobs):
            headers = batch.processors[index].get_request_properties()
            self._members.append(_Member(job, batch.request_ids[index], headers, batch.rows[index]))
            self._joined.append(job)

    def call(self) -> None:
        """Calls the handler once for all open jobs; those that nobody waits for have left before."""
        self._leave_cancelled()
        members = self._members
        if not members:
            self._outbox.flush()
            return
        service = self._service
        context = service.context
        batch = self._next_batch()
        service.bind(batch, context, may_wait=False)
        # A frame without jobs is a sign of life: what the last call made may all have to wait for readers.
        if self._joined or not self._has_spoken:
            self._outbox.announce(self._joined)
        self._joined = []
        started_at = time.perf_counter()
        try:
            results = service.handle(batch.rows, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            service.fail(batch, error)
            self._outbox.flush()
            self._has_spoken = True
        else:
            self._answer(batch, results, round((time.perf_counter() - started_at) * 1000, 2))
        self._members = [member for member in members if not member.job.is_ended]

    def _leave_cancelled(self) -> None:
        gone = [member for member in self._members if member.job.is_cancelled]
        if gone:
            self._members = [member for member in self._members if not member.job.is_cancelled]
            self._joined = [job for job in self._joined if not job.is_cancelled]
            self._service.finish([(member.job, NOTHING) for member in gone])

    def _next_batch(self) -> Batch:
        rows: List[Row] = []
        processors: List[RequestProcessor] = []
        request_ids: Dict[int, str] = {}
        for index, member in enumerate(self._members):
            rows.append(member.row)
            member.row = {}
            # Of its own in each call, as the answer's headers are.
            processors.append(RequestProcessor(dict(member.headers)))
            request_ids[index] = member.request_id
        return Batch([member.job for member in self._members], rows, processors, request_ids)

    def _answer(self, batch: Batch, results: Any, handler_ms: float) -> None:
        service = self._service
        ended: List[Tuple[OpenJob, Outcome]] = []
        parts: List[Tuple[OpenJob, Outcome]] = []
        try:
            checked = check_results(results, len(batch.jobs))
        except JobError as error:
            logger.error("%s Requests: %s", error.message, ", ".join(batch.request_ids.values()))
            ended = [(job, error) for job in batch.jobs]
        else:
            processors = service.context.request_processor
            for index, job in enumerate(batch.jobs):
                request_id = batch.request_ids[index]
                try:
                    goes_on = _goes_on(service.context, processors, index, checked[index])
                except Exception as error:
                    logger.error("stopping_criteria failed for one request: %s", request_id, exc_info=error)
                    ended.append((job, JobError("PREDICTION_FAILED", "Prediction failed")))
                    continue
                outcome = service.outcome(checked[index], index, processors, request_id, goes_on)
                (parts if goes_on else ended).append((job, outcome))
        service.finish(ended, handler_ms)
        self._has_spoken = self._outbox.stream(parts, may_wait=False)


def _goes_on(context: Any, processors: Any, index: int, result: Any) -> bool:
    """Whether more parts of a job's answer are to follow: its criterion says True for "stop", or None for "as the header says"."""
    if isinstance(result, BaseException):
        return False
    if context.stopping_criteria:
        is_over = context.stopping_criteria[index](result)
        if is_over is not None:
            return not is_over
    processor = processors[index]
    return processor is not None and processor.get_response_header(STREAM_HEADER) == "true"
