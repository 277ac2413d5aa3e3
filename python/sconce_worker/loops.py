"""How a loaded worker spends its life: one batch after the other, or many requests at a time on an event loop."""

from __future__ import annotations

import threading
from typing import Any, Callable, List, Optional

from sconce_worker.frames import FrameReader
from sconce_worker.inputs import has_stored, read_stored
from sconce_worker.messages import JobRequest, parse_predict
from sconce_worker.outbox import OpenJob, Outbox
from sconce_worker.service import Service

#: How many requests a handler with async functions is given at a time.
ASYNC_CAPACITY = 64

#: How many jobs a worker of batches may be given while it computes.
JOBS_AHEAD = 8

#: Decoding more than this takes so long that answers must not wait for it.
_SMALL_BATCH_BYTES = 64 * 1024


def serve_batches(reader: FrameReader, service: Service, outbox: Outbox) -> None:
    """Answers batch after batch on this thread until the data channel ends.

    The answers of a batch leave with the start of the next one, when that is here already; the reader flushes before it waits.
    """
    try:
        frame = reader.read()
        while frame is not None:
            requests = parse_predict(frame)
            if sum(map(len, frame.parts)) > _SMALL_BATCH_BYTES or has_stored(requests):
                outbox.flush()
            service.run(requests)
            frame = reader.read()
    finally:
        outbox.flush()


def serve_async(reader: FrameReader, service: Service) -> None:
    """Answers requests concurrently on this thread's event loop until the data channel ends and all of them are answered."""
    import asyncio

    loop = service.loop
    asyncio.set_event_loop(loop)
    ended = loop.create_future()
    tasks = set()

    def begin(request: JobRequest) -> None:
        def watch(job: OpenJob) -> None:
            job.on_cancel = lambda: loop.call_soon_threadsafe(task.cancel)
            if job.is_cancelled:
                task.cancel()

        task = loop.create_task(service.run_async(request, watch))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def take(requests: List[JobRequest]) -> None:
        for request in requests:
            begin(request)

    def end(error: Optional[Exception]) -> None:
        if not ended.done():
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

    def guarded(step: Callable[..., None], *args: Any) -> None:
        try:
            step(*args)
        except Exception as error:
            end(error)

    def read() -> None:
        error: Optional[Exception] = None
        try:
            frame = reader.read()
            while frame is not None:
                # Here, because everything else waits for what the event loop does.
                loop.call_soon_threadsafe(guarded, take, read_stored(parse_predict(frame)))
                frame = reader.read()
        except Exception as raised:
            error = raised
        loop.call_soon_threadsafe(end, error)

    async def serve() -> None:
        threading.Thread(target=read, name="sconce-data", daemon=True).start()
        await ended
        if tasks:
            await asyncio.wait(list(tasks))

    loop.run_until_complete(serve())
