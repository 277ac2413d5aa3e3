"""From the manifest's handler string to something callable.

Follows TorchServe's rules: a module of the archive first, then a built-in handler; a function wins over the module's
only class. What goes wrong here is the author's, so every failure says which rule was not met.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any, Callable, NamedTuple, Optional, Tuple

from sconce_worker.load_failure import LoadFailure, load_failure, summary
from ts.utils.util import list_classes_from_module

logger = logging.getLogger(__name__)

_BUILT_IN = "ts.torch_handler"
_ENVELOPES = "ts.torch_handler.request_envelope"
_DEFAULT_FUNCTION = "handle"


class EntryPoint(NamedTuple):
    """What answers a batch, and what loads the model."""

    handle: Callable[[Any, Any], Any]
    initialize: Callable[[Any], Any]


def load_entry_point(handler: Optional[str], envelope: Optional[str], model_dir: str) -> EntryPoint:
    """Imports the handler and creates its object, without initialising it. Raises LoadFailure."""
    if not handler:
        raise LoadFailure("HANDLER_NOT_FOUND", "The model has no handler.")
    module, function_name = _import_handler(handler, model_dir)
    entry_point = _find_entry_point(module, function_name)
    return entry_point if envelope is None else _wrap(entry_point, envelope)


def _import_handler(handler: str, model_dir: str) -> Tuple[Any, Optional[str]]:
    file_part, _, function_name = handler.partition(":")
    folder, _, name = (file_part[:-3] if file_part.endswith(".py") else file_part).rpartition("/")
    if folder:
        folder = os.path.join(model_dir, folder)
        if os.path.isdir(folder) and folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return importlib.import_module(name), function_name or None
    except ImportError as error:
        original = error
    except BaseException as error:
        raise load_failure("HANDLER_IMPORT_FAILED", error) from error
    # Behind the except clause: what fails in a built-in handler did not come of there being no file of its name.
    return _import_built_in(handler, name, original, model_dir), None


def _import_built_in(handler: str, name: str, original: ImportError, model_dir: str) -> Any:
    """The built-in handler of this name, or the failure that is the author's real problem."""
    is_absent = isinstance(original, ModuleNotFoundError) and original.name in (name, name.partition(".")[0])
    if not is_absent:
        logger.error("The handler %s could not be imported: %s", handler, summary(original), exc_info=original)
    built_in = "%s.%s" % (_BUILT_IN, handler)
    try:
        module = importlib.import_module(built_in)
    except ImportError as error:
        if not is_absent:
            raise load_failure("HANDLER_IMPORT_FAILED", original) from original
        if isinstance(error, ModuleNotFoundError) and built_in.startswith(str(error.name)):
            raise LoadFailure("HANDLER_NOT_FOUND", _not_found(handler, name, model_dir)) from None
        raise load_failure("HANDLER_IMPORT_FAILED", error) from error
    except BaseException as error:
        raise load_failure("HANDLER_IMPORT_FAILED", error) from error
    if not is_absent:
        logger.warning("The built-in handler %s is used instead.", handler)
    return module


def _not_found(handler: str, name: str, model_dir: str) -> str:
    try:
        found = sorted(file for file in os.listdir(model_dir) if file.endswith(".py"))
    except OSError:
        found = []
    listed = ", ".join(found[:10]) + (", …" if len(found) > 10 else "") if found else "no .py file"
    return "No handler %s: the archive has %s, and %s is no built-in handler." % (handler, listed, name)


def _find_entry_point(module: Any, function_name: Optional[str]) -> EntryPoint:
    found: Any = getattr(module, function_name or _DEFAULT_FUNCTION, None)
    if found is not None and not (function_name and isinstance(found, type)):
        return EntryPoint(found, lambda context: found(None, context))
    if found is None:
        classes = list_classes_from_module(module)
        if len(classes) != 1:
            names = ", ".join(each.__name__ for each in classes) or "none"
            raise LoadFailure(
                "HANDLER_NOT_FOUND",
                "Expected only one class in custom service code or a function entry point: %s has no function %s, "
                "and of classes %s." % (module.__name__, function_name or _DEFAULT_FUNCTION, names),
            )
        found = classes[0]
    try:
        handler = found()
    except BaseException as error:
        raise load_failure("HANDLER_INITIALIZE_FAILED", error) from error
    if not hasattr(handler, "handle"):
        raise LoadFailure("HANDLER_NOT_FOUND", "Expect handle method in class %s: it has none." % found.__name__)
    # Bound now: a handler may have put something else in place of its method. `initialize` is looked up when it is called.
    return EntryPoint(handler.handle, lambda context: handler.initialize(context))


def _wrap(entry_point: EntryPoint, envelope: str) -> EntryPoint:
    try:
        classes = list_classes_from_module(importlib.import_module("%s.%s" % (_ENVELOPES, envelope)))
    except ModuleNotFoundError as error:
        if not ("%s.%s" % (_ENVELOPES, envelope)).startswith(str(error.name)):
            raise load_failure("HANDLER_IMPORT_FAILED", error) from error
        raise LoadFailure("HANDLER_NOT_FOUND", "No request envelope %s: correct service_envelope." % envelope) from None
    except BaseException as error:
        raise load_failure("HANDLER_IMPORT_FAILED", error) from error
    if not classes:
        raise LoadFailure("HANDLER_NOT_FOUND", "The request envelope %s defines no class." % envelope)
    return EntryPoint(_enveloped(classes[0], entry_point.handle), entry_point.initialize)


def _enveloped(envelope: Any, handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    if not is_async(handle) or not hasattr(envelope, "handle_async"):
        return envelope(handle).handle

    async def handle_async(data: Any, context: Any) -> Any:
        # An envelope remembers the batch at hand; with an async handler there are several.
        return await envelope(handle).handle_async(data, context)

    return handle_async


def is_async(handle: Callable[[Any, Any], Any]) -> bool:
    """Whether a handler answers with a coroutine."""
    # Imported here: it takes longer than all modules of the worker, and most models do not come this way.
    import inspect

    # Behind decorators that say what they wrap, and in objects that are called like functions.
    function = inspect.unwrap(handle)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))
