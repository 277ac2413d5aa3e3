"""Splits a batch into smaller ones that pass through preprocess, inference and postprocess at the same time.

Takes the place of a handler's `handle`. A step that raises ends the batch with its exception; the threads live on.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

HANDLER_METHODS = ["preprocess", "inference", "postprocess"]

_micro_batch = threading.local()


class _Item(NamedTuple):
    """A micro-batch between two steps: its number in the batch, and a value or the exception that ended it."""

    number: int
    value: Any
    error: Optional[BaseException]


def execute_call(in_queue: Any, out_queue: Any, handle: Callable[[Any], Any], event: threading.Event) -> None:
    """Takes items from one queue, applies `handle`, and puts them into the other, until `event` is set and None arrives."""
    while True:
        item = in_queue.get()
        if item is None:
            if event.is_set():
                return
            continue
        if item.error is None:
            _micro_batch.number = item.number
            try:
                item = _Item(item.number, handle(item.value), None)
            except BaseException as error:
                # Whatever it is, it must come out of `handle` on the caller's thread, who waits for this item.
                item = _Item(item.number, None, error)
        out_queue.put(item)


class WorkerThread:
    """One thread of one step."""

    def __init__(self, in_queue: Any, out_queue: Any, call: Callable[[Any], Any]) -> None:
        self.event = threading.Event()
        self.in_queue = in_queue
        self.out_queue = out_queue
        self.thread = threading.Thread(
            target=execute_call, args=(in_queue, out_queue, call, self.event), name="micro-batch", daemon=True
        )

    def start(self) -> None:
        self.thread.start()

    def join(self) -> None:
        self.thread.join()


class MicroBatching:
    """A callable `(data, context)` that a handler sets as its `handle`, usually in `__init__`."""

    def __init__(
        self, parent_handler: Any, micro_batch_size: int = 1, parallelism: Optional[Dict[str, int]] = None
    ) -> None:
        self.handler = parent_handler
        #: How many requests pass together. Read for each batch.
        self.micro_batch_size = micro_batch_size
        self.queues: Dict[str, Any] = {name: queue.Queue() for name in [*HANDLER_METHODS, "output"]}
        self.thread_groups: Dict[str, List[WorkerThread]] = {name: [] for name in HANDLER_METHODS}
        self._parallelism = dict.fromkeys(HANDLER_METHODS, 1)
        self.parallelism = parallelism or {}

    def __call__(self, data: Any, context: Any) -> Any:
        """Answers a batch like BaseHandler.handle, descriptions, explanations and profiling included."""
        started_at = time.perf_counter()
        handler = self.handler
        handler.context = context
        if os.environ.get("ENABLE_TORCH_PROFILER"):
            output, _ = handler._infer_with_profiler(data)
        elif handler._is_describe():
            output = [handler.describe_handle()]
        elif handler._is_explain():
            output = handler.explain_handle(handler.preprocess(data), data)
        else:
            output = self.handle(data)
        if getattr(context, "metrics", None) is not None:
            context.metrics.add_time("HandlerTime", round((time.perf_counter() - started_at) * 1000, 2), None, "ms")
        return output

    def handle(self, data: Any) -> List[Any]:
        """The results of a batch, in its order. Raises what a step raised, once every micro-batch has come out."""
        size = max(1, int(self.micro_batch_size))
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        for index, chunk in enumerate(chunks):
            self.queues[HANDLER_METHODS[0]].put(_Item(index, chunk, None))
        items = sorted((self.queues["output"].get() for _ in chunks), key=lambda item: item.number)
        for item in items:
            if item.error is not None:
                raise item.error
        return [result for item in items for result in item.value]

    @property
    def parallelism(self) -> Dict[str, int]:
        """How many threads each step has."""
        return self._parallelism

    @parallelism.setter
    def parallelism(self, parallelism: Dict[str, int]) -> None:
        unknown = [name for name in parallelism if name not in HANDLER_METHODS]
        assert not unknown, "parallelism has %s; it knows %s" % (", ".join(unknown), ", ".join(HANDLER_METHODS))
        self._parallelism = {name: max(1, int(parallelism.get(name, 1))) for name in HANDLER_METHODS}
        for name, count in self._parallelism.items():
            self._resize(name, count)

    def shutdown(self) -> None:
        """Ends all threads, after what they have in hand."""
        for name in HANDLER_METHODS:
            self._resize(name, 0)

    def get_micro_batch_idx(self) -> int:
        """Which micro-batch of the batch the calling step has."""
        return _micro_batch.number

    def _resize(self, name: str, count: int) -> None:
        group = self.thread_groups[name]
        following = [*HANDLER_METHODS, "output"]
        out_queue = self.queues[following[following.index(name) + 1]]
        while len(group) < count:
            thread = WorkerThread(self.queues[name], out_queue, getattr(self.handler, name))
            thread.start()
            group.append(thread)
        if len(group) > count:
            # Any thread may take the None of another; so all of the group end, and those that stay start anew.
            for thread in group:
                thread.event.set()
            for _ in group:
                self.queues[name].put(None)
            for thread in group:
                thread.join()
            group.clear()
            self._resize(name, count)
