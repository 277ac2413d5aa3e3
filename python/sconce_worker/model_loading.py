"""From the `load` message to a `Service`: manifest, configuration, metrics, handler, context, initialisation, in this order."""

from __future__ import annotations

import os
import sys
from typing import Any

from sconce_worker.handler_loader import is_async, load_entry_point
from sconce_worker.load_failure import LoadFailure, load_failure
from sconce_worker.messages import Load
from sconce_worker.model_files import read_manifest, read_model_config
from sconce_worker.outbox import Outbox
from sconce_worker.service import Service
from ts.context import Context
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl


def load_service(load: Load, outbox: Outbox) -> Service:
    """Loads the model. Raises LoadFailure, and nothing else, whatever the handler does."""
    try:
        _find_modules_in(load.model_dir)
        manifest = read_manifest(load.model_dir)
        metrics = MetricsCacheYamlImpl(listed=load.model_metrics)
        metrics.model_name = load.model_name
        metrics.initialize_cache()
        metrics.set_request_ids(_random_id())
        context = Context(
            load.model_name,
            load.model_dir,
            manifest,
            load.batch_size,
            load.gpu_id,
            load.server_version,
            load.limit_max_image_pixels,
            metrics,
            read_model_config(load, manifest),
        )
        is_continuous = _is_asked_for(context, "continuousBatching")
        is_async_wanted = not is_continuous and _is_asked_for(context, "asyncCommunication")
        loop = _new_event_loop() if is_async_wanted else None
        entry_point = load_entry_point(load.handler, load.envelope, load.model_dir)
        _finish_load(entry_point.initialize(context), loop)
        if loop is not None and not is_async(entry_point.handle):
            loop = None
        return Service(load, context, entry_point.handle, outbox, loop, is_continuous)
    except BaseException as error:
        # BaseException: a handler that calls sys.exit while loading has failed to load, too.
        raise load_failure("HANDLER_INITIALIZE_FAILED", error) from error


def _finish_load(result: Any, loop: Any) -> None:
    """Runs what a handler has still to do when its `initialize`, or its function, is an async one."""
    if not hasattr(result, "__await__"):
        return
    if loop is None:
        result.close()
        raise LoadFailure(
            "HANDLER_INITIALIZE_FAILED",
            "The handler loads the model in an async function, which nothing awaits: set asyncCommunication: true in "
            "model-config.yaml.",
        )
    loop.run_until_complete(result)


def _random_id() -> str:
    # What uuid.uuid4 makes, without the time that importing uuid takes.
    digits = os.urandom(16).hex()
    return "%s-%s-4%s-a%s-%s" % (digits[:8], digits[8:12], digits[13:16], digits[17:20], digits[20:])


def _is_asked_for(context: Context, key: str) -> bool:
    """Whether model-config.yaml asks for another way of calling the handler than batch by batch."""
    config = context.model_yaml_config
    return isinstance(config, dict) and config.get(key) is True


def _new_event_loop() -> Any:
    # Current before the handler's own code runs: it may create locks and queues that belong to the loop.
    import asyncio

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def _find_modules_in(model_dir: str) -> None:
    known = {os.path.realpath(entry or os.curdir) for entry in sys.path}
    if os.path.realpath(model_dir) not in known:
        sys.path.insert(0, model_dir)
