"""A loaded model that answers batches: from the server's jobs to the handler's call and back to outcomes.

Owns the context and how exceptions of the handler become errors of its jobs. Reading frames is the loops' matter, sending the
outbox's.
"""

from __future__ import annotations

import copy
import logging
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from sconce_worker.batch_link import STREAM_HEADER, WorkerLink
from sconce_worker.inputs import Row, decode_request
from sconce_worker.messages import JobRequest, Load
from sconce_worker.outbox import OpenJob, Outbox, Outcome, Output
from sconce_worker.results import Body, JobError, check_results, encode_result, job_error, response_head
from ts.context import Context, RequestProcessor

logger = logging.getLogger(__name__)

#: How a job ends that nobody waits for.
NOTHING = Output({}, Body("binary", b""))


class Batch(NamedTuple):
    """The jobs that reach the handler together, and what it gets of each."""

    jobs: List[OpenJob]
    rows: List[Row]
    processors: List[RequestProcessor]
    request_ids: Dict[int, str]


class Service:
    """One model, ready to answer."""

    def __init__(
        self,
        load: Load,
        context: Context,
        handle: Callable[[Any, Any], Any],
        outbox: Outbox,
        loop: Any = None,
        is_continuous: bool = False,
    ) -> None:
        self.context = context
        self.handle = handle
        #: The event loop that the model was loaded on, when its handler works on many requests at a time.
        self.loop = loop
        #: Whether jobs join and leave a batch between two calls.
        self.is_continuous = is_continuous
        self._outbox = outbox
        self._is_decoding = load.decode_input
        self._max_bytes = load.max_response_bytes
        # Ranks of a group compute the same batch in step, so none of them may drop a job or stop on its own.
        self._is_alone = load.world_size == 1
        # The loop of a worker of batches reads on at once; on an event loop nobody does.
        self._may_linger = loop is None
        # The server warms a worker up before it gives it anything else.
        self._is_warming_up = False

    def run(self, requests: Sequence[JobRequest]) -> None:
        """Answers one batch. SystemExit and KeyboardInterrupt of the handler come out; its other exceptions do not."""
        batch = self.accept(requests)
        if batch is None:
            return
        self.bind(batch, self.context, may_wait=True)
        self._outbox.announce(batch.jobs)
        started_at = time.perf_counter()
        try:
            results = self.handle(batch.rows, self.context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(batch, error)
        else:
            self._succeed(batch, results, self.context, started_at)

    async def run_async(self, request: JobRequest, on_open: Callable[[OpenJob], None]) -> None:
        """Answers one job of a handler with async functions, with a context of its own. `on_open` gets the job as it starts."""
        batch = self.accept([request])
        if batch is None:
            return
        on_open(batch.jobs[0])
        try:
            context = copy.deepcopy(self.context)
            self.bind(batch, context, may_wait=False)
            self._outbox.announce(batch.jobs)
            started_at = time.perf_counter()
            results = await self.handle(batch.rows, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(batch, error)
        else:
            self._succeed(batch, results, context, started_at)

    def accept(self, requests: Sequence[JobRequest]) -> Optional[Batch]:
        """Opens the jobs and decodes them; ends at once those that nobody waits for or that cannot be read."""
        batch = Batch([], [], [], {})
        ended: List[Tuple[OpenJob, Outcome]] = []
        for request in requests:
            self._is_warming_up = request.is_warm_up
            job = self._outbox.open(request.id)
            if job.is_cancelled and self._is_alone:
                ended.append((job, NOTHING))
                continue
            try:
                row, headers = decode_request(request, self._is_decoding)
            except MemoryError:
                ended.append((job, JobError("OUT_OF_RESOURCES", "Out of resources")))
                continue
            except OSError:
                logger.exception("The body of request %s could not be read.", request.request_id)
                ended.append((job, JobError("PREDICTION_FAILED", "Prediction failed")))
                continue
            batch.request_ids[len(batch.jobs)] = request.request_id
            batch.jobs.append(job)
            batch.rows.append(row)
            batch.processors.append(RequestProcessor(headers))
        if ended:
            self.finish(ended)
        return batch if batch.jobs else None

    def bind(self, batch: Batch, context: Context, may_wait: bool) -> None:
        """Shows the batch to the handler's context. `may_wait`: whether a slow client may hold the handler up."""
        # A copy: what a handler takes out of it is answered all the same.
        context.request_ids = batch.request_ids.copy()
        context.request_processor = batch.processors
        context._link = WorkerLink(self._outbox, batch.jobs, self._max_bytes, may_wait, self._is_alone)
        if context.metrics is not None:
            context.metrics.set_request_ids(batch.request_ids)

    def _succeed(self, batch: Batch, results: Any, context: Context, started_at: float) -> None:
        elapsed_ms = round((time.perf_counter() - started_at) * 1000, 2)
        try:
            checked = check_results(results, len(batch.jobs))
        except JobError as error:
            logger.error("%s Requests: %s", error.message, _listed(batch))
            self.finish([(job, error) for job in batch.jobs])
            return
        ids = batch.request_ids
        processors = context.request_processor
        outcomes = [(job, self.outcome(checked[i], i, processors, ids[i])) for i, job in enumerate(batch.jobs)]
        self.finish(outcomes, elapsed_ms)

    def outcome(self, result: Any, index: int, processors: Any, request_id: str, goes_on: bool = False) -> Outcome:
        """What the handler's result for one request is on the wire: its last part, or one that more are to follow."""
        if isinstance(result, BaseException):
            logger.error("The handler failed for one request: %s", request_id, exc_info=result)
            return job_error(result, self._is_warming_up)
        try:
            processor = processors[index]
            body = encode_result(result, index, self._max_bytes)
            extra = (STREAM_HEADER, "true") if goes_on else None
            if not goes_on and processor is not None and processor.get_response_header(STREAM_HEADER) == "true":
                extra = (STREAM_HEADER, "false")
            return Output(response_head(processor, extra), body)
        except JobError as error:
            logger.error("%s Request: %s", error.message, request_id)
            return error
        except MemoryError:
            logger.exception("Request %s: no memory for the answer.", request_id)
            return JobError("OUT_OF_RESOURCES", "Out of resources")
        except Exception:
            # A value or a header dictionary of the handler's own class may raise anything.
            logger.exception("Request %s: its result could not be read.", request_id)
            return JobError("PREDICTION_FAILED", "Prediction failed")

    def fail(self, batch: Batch, error: BaseException) -> None:
        """Ends all jobs of a batch whose call raised."""
        if self._is_alone and all(job.is_cancelled for job in batch.jobs):
            logger.info("Stopped, because nobody waits any more: %s", _listed(batch))
            self.finish([(job, NOTHING) for job in batch.jobs])
            return
        logger.error("The handler failed. Requests: %s", _listed(batch), exc_info=error)
        failure = job_error(error, self._is_warming_up)
        self.finish([(job, failure) for job in batch.jobs])

    def finish(self, outcomes: Sequence[Tuple[OpenJob, Outcome]], handler_ms: Optional[float] = None) -> None:
        """Ends jobs; `handler_ms` is how long the handler took for them."""
        self._outbox.finish(outcomes, handler_ms, self._may_linger)


def _listed(batch: Batch) -> str:
    return ", ".join(batch.request_ids.values())
