"""Streaming parts of an answer, and importing a class by its dotted name."""

from __future__ import annotations

import importlib
import os
from typing import Any, Dict, Iterator, Optional

from ts._absent import calling


def send_intermediate_predict_response(
    ret: Any, req_id_map: Dict[int, str], message: str, code: int, context: Any
) -> Any:
    """Sends `ret[i]` as the next part of the answer of each request `i` in `req_id_map`.

    The handler's return value is the last part. `req_id_map` may name only some of `context.request_ids`. A `code` other
    than 200 ends those requests with `message` as their error. Waits when a client takes its stream too slowly; where others
    would wait with it (async handlers, continuous batching), a client that is more than 1 MiB behind loses its stream. Raises
    RequestCancelled when nobody waits for any request of the batch. On ranks other than 0 it does nothing.

    What it returns can be awaited: that suspends an async handler until its clients have room for the next part. Sconce only.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return _ROOM
    return context._link.send_intermediate(ret, req_id_map, message, code, context)


class _Room:
    """Room that is there at once."""

    def __await__(self) -> Iterator[Any]:
        return iter(())


_ROOM = _Room()


def create_predict_response(*args: Any, **kwargs: Any) -> Any:
    """Made an answer in TorchServe's wire format. Raises NotImplementedError, with what to use instead."""
    raise calling("ts.protocol.otf_message_handler.create_predict_response")


def import_class(class_name: str, module_prefix: Optional[str] = None) -> type:
    """The class of a dotted name, optionally below `module_prefix`. Raises ImportError when there is none."""
    module_name, _, name = class_name.rpartition(".")
    if module_prefix is not None:
        module_name = "%s.%s" % (module_prefix, module_name) if module_name else module_prefix
    if not module_name:
        raise ImportError("%s does not name a module and a class" % class_name)
    module = importlib.import_module(module_name)
    found = getattr(module, name, None)
    if found is None:
        raise ImportError("module %s does not define %s" % (module_name, name))
    return found
