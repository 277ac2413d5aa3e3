"""The life of a worker: set up, load, say `ready`, serve, end. Its exit code is 0 after `stop`, 1 after a failure."""

from __future__ import annotations

import logging
import os
import sys

from sconce_worker.control import ControlThread
from sconce_worker.frames import FrameError, FrameReader
from sconce_worker.load_failure import LoadFailure
from sconce_worker.loops import ASYNC_CAPACITY, JOBS_AHEAD, serve_async, serve_batches
from sconce_worker.messages import parse_load
from sconce_worker.model_loading import load_service
from sconce_worker.outbox import Outbox
from sconce_worker.process import set_up_process, share_cores
from ts.metrics.metric_sink import set_metric_sink

logger = logging.getLogger(__name__)


def main() -> int:
    """Runs the worker on this thread and returns its exit code."""
    data, control = set_up_process()
    outbox = Outbox(data)
    set_metric_sink(outbox.report_metric)
    if hasattr(os, "register_at_fork"):
        # A forked child has no channel, and the outbox's lock may have been taken while it forked.
        os.register_at_fork(after_in_child=lambda: set_metric_sink(lambda *report: None))
    control_thread = ControlThread(control, data, outbox)
    control_thread.start()
    try:
        _live(FrameReader(data, on_wait=outbox.flush), outbox)
        return 0
    except FrameError as error:
        if control_thread.is_stopping and error.reason == "truncated":
            return 0
        print("The data channel failed: %s" % error, file=sys.stderr, flush=True)
        return 1
    except ConnectionError:
        # The server closed the channel while we wrote; the control thread is about to find out, too.
        return 1


def _live(reader: FrameReader, outbox: Outbox) -> None:
    frame = reader.read()
    if frame is None:
        return
    load = parse_load(frame)
    share_cores(load.threads)
    outbox.configure(load.credit_bytes, is_answering=load.rank == 0)
    try:
        service = load_service(load, outbox)
    except LoadFailure as failure:
        logger.error("The model %s could not be loaded: %s\n%s", load.model_name, failure.message, failure.trace)
        outbox.send(failure.header())
        _leave(1)
    is_async = service.loop is not None
    is_continuous = service.is_continuous
    version = ".".join(map(str, sys.version_info[:3]))
    outbox.send(
        {
            "type": "ready",
            "capacity": max(ASYNC_CAPACITY, 2 * load.batch_size) if is_async else load.batch_size,
            "ahead": 0 if is_async or is_continuous else JOBS_AHEAD,
            **({"joins": True} if is_continuous else {}),
            "runtime": {"name": "python", "version": version},
        }
    )
    if is_async:
        serve_async(reader, service)
    elif is_continuous:
        # Imported here: most models do not come this way.
        from sconce_worker.continuous import serve_continuously

        serve_continuously(reader, service, outbox)
    else:
        serve_batches(reader, service, outbox)


def _leave(status: int) -> None:
    """Ends the process at once: threads that a half-loaded model has started must not keep it alive."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
