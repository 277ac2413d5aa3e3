"""What TorchServe's `ts` has and Sconce's has not: one table of names, each with what to use instead.

Importing such a name raises an ImportError with that advice (`absent_names` makes a module's `__getattr__`, and a finder at the end
of the import path answers for whole modules). Functions that stay importable, because handlers import more than they call, raise
`calling(...)` when they are called.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Optional

_PLAIN_CALL = "send parts with ts.handler_utils.utils.send_intermediate_predict_response, and return the last one"
_SERVER = "start the server with the command `sconce serve` (see docs/guides/serve-your-first-model.md)"
_MANAGEMENT = "use the Management API (docs/reference/management-api.md)"
_NEURON = (
    "copy TorchServe 0.12's file into the archive and name it as the handler; it needs Neuron's own packages anyway"
)

_ADVICE: Dict[str, str] = {
    # Whole modules.
    "ts.torch_handler.distributed.base_neuronx_continuous_batching_handler": _NEURON,
    "ts.torch_handler.distributed.base_neuronx_microbatching_handler": _NEURON,
    # Names of modules that are there.
    "ts.protocol.otf_message_handler.retrieve_msg": "the worker reads the server's messages itself; a handler gets them as data",
    "ts.protocol.otf_message_handler.create_load_model_response": "raise an exception in initialize to say that a load failed",
    "ts.protocol.otf_message_handler.encode_response_headers": "use context.set_response_header",
    "ts.model_service_worker.TorchModelServiceWorker": "the server starts its own workers (python -m sconce_worker)",
    "ts.launcher.Tee": _SERVER,
    "ts.launcher.PrintTillTheEnd": _SERVER,
    # Importable, and of no use here when called.
    "ts.protocol.otf_message_handler.create_predict_response": _PLAIN_CALL,
    "ts.arg_parser.ArgParser": _SERVER,
    "ts.async_service.AsyncService.run": "set asyncCommunication: true in model-config.yaml; the worker runs the event loop",
    "ts.model_server.start": _SERVER,
    "ts.launcher.start": _SERVER,
    "ts.launcher.stop": "end the server with SIGTERM; it finishes what it has accepted",
    "ts.launcher.register_model": _MANAGEMENT,
    "ts.launcher.register_model_with_params": _MANAGEMENT,
    "ts.llm_launcher.main": "write a model-config.yaml for ts.torch_handler.vllm_handler or trt_llm_handler; then "
    + _SERVER,
}


def absence(name: str) -> str:
    """The words about one name of the table."""
    return "%s is a part of TorchServe that Sconce does not have: %s." % (name, _ADVICE[name])


def calling(name: str) -> NotImplementedError:
    """The error for a call of something that is importable only."""
    return NotImplementedError(absence(name))


def absent_names(module_name: str) -> Callable[[str], Any]:
    """A module's `__getattr__`: ImportError for names of the table, AttributeError for all others."""

    def find(name: str) -> Any:
        full_name = "%s.%s" % (module_name, name)
        if full_name in _ADVICE:
            raise ImportError(absence(full_name), name=full_name)
        raise AttributeError("module %r has no attribute %r" % (module_name, name))

    return find


class _AbsentModules:
    """Asked last, so only about modules that nothing else has found."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Optional[Any] = None) -> None:
        if name.startswith("ts.") and name in _ADVICE:
            raise ImportError(absence(name), name=name)


def watch_imports() -> None:
    """Makes imports of absent modules say what to use instead."""
    sys.meta_path.append(_AbsentModules)
