"""Everything that leaves on the data channel: one lock, so frames never mix, and the credit of every open job.

Handlers, the control thread and user threads all send through here. A job ends exactly once: what comes for it afterwards is
dropped. What results look like is `results`' matter.
"""

from __future__ import annotations

import collections
import socket
import threading
from typing import Any, Deque, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from sconce_worker.compact_json import compact_json
from sconce_worker.frames import Buffer, Header, encode_frame, encode_text, send_buffers
from sconce_worker.results import Body, Head, JobError

#: How much of a job's stream is kept while it has no credit; with more, its handler waits, or the job fails where it cannot.
KEPT_BYTES = 1024 * 1024
#: What may wait for the next frame; a handler that reports many metrics in between does not pile them up.
_WAITING_KEPT = 256
#: Cancellations may overtake the batch they are meant for: the most recent ones are remembered.
_EARLY_CANCELS_KEPT = 4096


class Output(NamedTuple):
    """A part of a job's answer."""

    head: Head
    body: Body


Outcome = Union[Output, JobError]

_TOO_SLOW = JobError(
    "READER_TOO_SLOW",
    "The client takes its stream more slowly than the model makes it: more than %d KiB were waiting." % (KEPT_BYTES // 1024),
)


class OpenJob:
    """A job that has not ended: its credit, what is kept for it, and whether somebody still waits for it."""

    __slots__ = ("id", "id_text", "credit", "kept", "kept_bytes", "is_cancelled", "is_ended", "on_cancel", "on_credit")

    def __init__(self, job_id: Any, credit: int) -> None:
        self.id = job_id
        #: The id as JSON.
        self.id_text = str(job_id) if type(job_id) is int else compact_json(job_id)
        self.credit = credit
        self.kept: Deque[Output] = collections.deque()
        self.kept_bytes = 0
        self.is_cancelled = False
        self.is_ended = False
        #: Called once, on the control thread, when the job is cancelled.
        self.on_cancel: Any = None
        #: Called on the control thread whenever the job has credit again, or needs none any more.
        self.on_credit: Any = None

    @property
    def has_credit(self) -> bool:
        """Whether the next part of its stream would leave at once, or be dropped."""
        return self.credit > 0 or self.is_cancelled or self.is_ended


class Outbox:
    """The sending half of the data channel."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        #: Waited on by handlers whose stream has no credit.
        self._changed = threading.Condition(self._lock)
        self._jobs: Dict[Any, OpenJob] = {}
        self._early_cancels: Dict[Any, None] = {}
        #: Frames that leave with the next one, so that one system call takes them all.
        self._waiting: List[Buffer] = []
        self._credit_bytes = 0
        self._is_answering = True

    def configure(self, credit_bytes: int, is_answering: bool) -> None:
        """What `load` said: the credit a job starts with, and whether this rank is the one that answers jobs."""
        self._credit_bytes = credit_bytes
        self._is_answering = is_answering

    # --- the worker's own words -------------------------------------------------------------------------------------

    def send(self, header: Header) -> None:
        """One frame without parts (`ready`, or the `error` of a failed load), behind what waits."""
        with self._lock:
            self._send(encode_frame(header))

    def report_metric(
        self,
        name: str,
        unit: str,
        value: float,
        kind: str,
        dimensions: Sequence[Tuple[str, str]],
        request_ids: Sequence[str],
    ) -> None:
        """Adds a metric to what leaves with the next frame. Raises ValueError for a value that JSON cannot carry."""
        frame = encode_frame(
            {
                "type": "metric",
                "name": name,
                "unit": unit,
                "value": value,
                "kind": kind,
                "dimensions": dimensions,
                "requestIds": request_ids,
            }
        )
        with self._lock:
            self._waiting.extend(frame)
            if len(self._waiting) >= _WAITING_KEPT:
                self._send()

    def flush(self) -> None:
        """Sends what no other frame took along."""
        if self._waiting:
            with self._lock:
                self._send()

    # --- jobs -------------------------------------------------------------------------------------------------------

    def open(self, job_id: Any) -> OpenJob:
        """Takes in a job that has arrived."""
        job = OpenJob(job_id, self._credit_bytes)
        with self._lock:
            self._jobs[job_id] = job
            if job_id in self._early_cancels:
                del self._early_cancels[job_id]
                job.is_cancelled = True
        return job

    def announce(self, jobs: Iterable[OpenJob]) -> None:
        """Says that these jobs reach the handler now."""
        if self._is_answering:
            buffers = encode_text('{"type":"started","jobs":[%s]}' % ",".join([job.id_text for job in jobs]))
            with self._lock:
                self._send(buffers)

    def stream(self, parts: Sequence[Tuple[OpenJob, Outcome]], may_wait: bool = True) -> bool:
        """Sends, or keeps, a part of each job's output that is not its last; an error ends its job. False if nothing was sent.

        While a job has no credit and too much is kept for it, waits for its reader; where others would wait with it (`may_wait`
        false: an event loop, a batch that jobs join), the job fails instead. Parts of jobs that were cancelled or have ended are
        dropped.
        """
        if not self._is_answering:
            return True
        with self._lock:
            sendable: List[Tuple[OpenJob, Output, bool]] = []
            failed: List[Tuple[OpenJob, JobError]] = []
            for job, outcome in parts:
                if job.is_ended or job.is_cancelled:
                    continue
                if isinstance(outcome, JobError):
                    self._end(job)
                    failed.append((job, outcome))
                elif job.credit > 0:
                    job.credit -= len(outcome.body.value)
                    sendable.append((job, outcome, False))
                elif not may_wait and job.kept_bytes + len(outcome.body.value) > KEPT_BYTES:
                    self._end(job)
                    failed.append((job, _TOO_SLOW))
                else:
                    # A copy: a handler may fill the same bytearray with its next part.
                    job.kept.append(Output(outcome.head, Body(outcome.body.kind, bytes(outcome.body.value))))
                    job.kept_bytes += len(outcome.body.value)
            is_sending = bool(sendable or failed or self._waiting)
            self._send([*_output_frames(sendable), *_error_frames(failed)])
            while may_wait and any(job.kept_bytes > KEPT_BYTES and not job.is_cancelled for job, _ in parts):
                self._changed.wait()
            return is_sending

    def finish(
        self,
        outcomes: Sequence[Tuple[OpenJob, Outcome]],
        handler_ms: Optional[float] = None,
        may_linger: bool = False,
    ) -> None:
        """Ends jobs, each after what is still kept for it; those that have ended already are left alone.

        `handler_ms` is how long the handler took for them. With `may_linger`, the answers leave with the next frame: for a
        caller that is about to announce a batch or to `flush`.
        """
        with self._lock:
            outputs: List[Tuple[OpenJob, Output, bool]] = []
            failed: List[Tuple[OpenJob, JobError]] = []
            for job, outcome in outcomes:
                if job.is_ended:
                    continue
                if job.kept:
                    outputs.extend([(job, part, False) for part in job.kept])
                self._end(job)
                if isinstance(outcome, JobError):
                    failed.append((job, outcome))
                else:
                    outputs.append((job, outcome, True))
            if self._is_answering:
                self._waiting.extend(_output_frames(outputs, handler_ms))
                if failed:
                    self._waiting.extend(_error_frames(failed))
            if not may_linger:
                self._send()

    # --- what the control thread hears ------------------------------------------------------------------------------

    def cancel(self, job_ids: Iterable[Any]) -> None:
        """Nobody waits for these jobs any more."""
        callbacks = []
        for job_id in job_ids:
            job = self._jobs.get(job_id)
            if job is not None:
                # Before the lock: a handler that asks must not wait for a long send to end.
                job.is_cancelled = True
        with self._lock:
            for job_id in job_ids:
                job = self._jobs.get(job_id)
                if job is None:
                    self._remember_cancel(job_id)
                    continue
                job.is_cancelled = True
                job.kept.clear()
                job.kept_bytes = 0
                callbacks.extend(callback for callback in (job.on_cancel, job.on_credit) if callback is not None)
            self._changed.notify_all()
        for callback in callbacks:
            callback()

    def grant(self, job_id: Any, count: int) -> None:
        """The client of a job has taken `count` bytes more: what is kept for it moves on."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                return
            job.credit += count
            released: List[Tuple[OpenJob, Output, bool]] = []
            while job.kept and job.credit > 0:
                part = job.kept.popleft()
                job.kept_bytes -= len(part.body.value)
                job.credit -= len(part.body.value)
                released.append((job, part, False))
            self._send(_output_frames(released))
            self._changed.notify_all()
            on_credit = job.on_credit if job.has_credit else None
        if on_credit is not None:
            on_credit()

    # --- under the lock ---------------------------------------------------------------------------------------------

    def _remember_cancel(self, job_id: Any) -> None:
        # Most of these are for jobs that ended a moment ago; a batch on its way is among the latest.
        self._early_cancels[job_id] = None
        if len(self._early_cancels) > _EARLY_CANCELS_KEPT:
            del self._early_cancels[next(iter(self._early_cancels))]

    def _end(self, job: OpenJob) -> None:
        job.is_ended = True
        if job.kept:
            job.kept.clear()
            job.kept_bytes = 0
        self._jobs.pop(job.id, None)

    def _send(self, buffers: Sequence[Buffer] = ()) -> None:
        """Sends what waits, then `buffers`."""
        if self._waiting:
            buffers = [*self._waiting, *buffers] if buffers else self._waiting
            self._waiting = []
        if buffers:
            send_buffers(self._sock, buffers)


def _output_frames(outputs: Sequence[Tuple[OpenJob, Output, bool]], handler_ms: Optional[float] = None) -> List[Buffer]:
    if not outputs:
        return []
    # Written by hand: this is on the way of every request, and most heads are empty.
    described = []
    for job, (head, body), is_last in outputs:
        more = "," + compact_json(head)[1:-1] if head else ""
        last = "true" if is_last else "false"
        described.append('{"job":%s,"last":%s,"as":"%s"%s}' % (job.id_text, last, body.kind, more))
    took = "" if handler_ms is None else ',"handlerMs":%r' % handler_ms
    header = '{"type":"output","outputs":[%s]%s}' % (",".join(described), took)
    return encode_text(header, [output.body.value for _, output, _ in outputs])


def _error_frames(failed: Sequence[Tuple[OpenJob, JobError]]) -> List[Buffer]:
    """One frame for each distinct error: a batch that failed as a whole is told so once."""
    ids: Dict[Tuple[str, str, Optional[int], Optional[str]], List[Any]] = {}
    for job, error in failed:
        ids.setdefault((error.code, error.message, error.status, error.trace), []).append(job.id)
    buffers: List[Buffer] = []
    for (code, message, status, trace), jobs in ids.items():
        header: Header = {"type": "error", "code": code, "message": message, "jobs": jobs}
        header.update((key, value) for key, value in (("status", status), ("trace", trace)) if value is not None)
        buffers.extend(encode_frame(header))
    return buffers
