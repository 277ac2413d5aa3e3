"""Why a model could not be loaded: the code, the words and the trace that the server shows to whoever registered it."""

from __future__ import annotations

import sys
import traceback
from typing import List, Optional

from sconce_worker.frames import Header

_TRACE_LINES = 30
_TRACE_CHARACTERS = 16000
_TEXT_CHARACTERS = 500


class LoadFailure(Exception):
    """The load is over. `trace` is empty where a traceback would tell nothing."""

    def __init__(self, code: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trace = trace

    def header(self) -> Header:
        """The `error` message of the protocol."""
        return {"type": "error", "code": self.code, "message": self.message, "trace": self.trace}


def load_failure(code: str, error: BaseException, hint: str = "") -> LoadFailure:
    """The failure that an exception of the handler's code stands for.

    Running out of memory has its own code, whatever the step.
    """
    if isinstance(error, LoadFailure):
        return error
    if is_out_of_memory(error):
        code = "WORKER_OUT_OF_MEMORY"
        hint = "Give the model fewer workers or the machine more memory."
    elif code == "HANDLER_INITIALIZE_FAILED" and isinstance(error, FileNotFoundError):
        code = "MODEL_FILE_NOT_FOUND"
        if error.filename is not None:
            hint = "Relative names are looked for in the model's folder: is the file in the archive?"
    elif not hint:
        hint = _hint(error)
    message = summary(error)
    return LoadFailure(code, message + " " + hint if hint else message, _last_lines(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or of an accelerator, was the reason."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = _text(error)
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def summary(error: BaseException) -> str:
    """`ExceptionType: text` on one line that ends like a sentence."""
    text = " ".join(_text(error).split())
    if len(text) > _TEXT_CHARACTERS:
        text = text[:_TEXT_CHARACTERS] + "…"
    name = type(error).__name__
    line = "%s: %s" % (name, text) if text else name
    return line if line[-1] in ".!?…" else line + "."


def _hint(error: BaseException) -> str:
    version = "%d.%d" % sys.version_info[:2]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return "Install %s for the worker's Python %s, or add it to the model's requirements file." % (
            error.name.partition(".")[0],
            version,
        )
    if isinstance(error, SyntaxError):
        return "The worker runs Python %s." % version
    return ""


def _last_lines(error: BaseException) -> str:
    try:
        lines: List[str] = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
    except Exception:
        return summary(error)
    return "\n".join(lines[-_TRACE_LINES:])[-_TRACE_CHARACTERS:]


def _text(error: Optional[BaseException]) -> str:
    try:
        return str(error)
    except Exception:
        return "its text cannot be shown"
