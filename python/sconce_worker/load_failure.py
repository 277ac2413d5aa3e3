"""Why a model could not be loaded: the code, the words and the trace that the server shows to whoever registered it.

Here it is told what happened and where. What to do about it is said in one place for all workers, by the server.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import List, Optional

from sconce_worker.frames import Header

_TRACE_LINES = 30
_TRACE_CHARACTERS = 16000
_TEXT_CHARACTERS = 500
_LISTED_FILES = 20
_OWN_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


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


def load_failure(code: str, error: BaseException) -> LoadFailure:
    """The failure that an exception of the handler's code stands for.

    Running out of memory and a missing file have codes of their own, whatever the step.
    """
    if isinstance(error, LoadFailure):
        return error
    message = summary(error)
    if is_out_of_memory(error):
        code = "WORKER_OUT_OF_MEMORY"
    elif code == "HANDLER_INITIALIZE_FAILED" and _is_missing_file(error):
        code = "MODEL_FILE_NOT_FOUND"
        message += " The archive has %s." % _files_of_model()
    elif isinstance(error, (ImportError, SyntaxError)):
        message += " The worker runs Python %d.%d." % sys.version_info[:2]
    return LoadFailure(code, message, last_lines(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or of an accelerator, was the reason."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = _text(error)
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def _is_missing_file(error: BaseException) -> bool:
    # torch.jit.load has an exception and words of its own for it.
    return isinstance(error, FileNotFoundError) or "The provided filename" in _text(error)


def summary(error: BaseException) -> str:
    """`ExceptionType: text` on one line that ends like a sentence."""
    text = " ".join(_text(error).split())
    if len(text) > _TEXT_CHARACTERS:
        text = text[:_TEXT_CHARACTERS] + "…"
    name = type(error).__name__
    line = "%s: %s" % (name, text) if text else name
    return line if line[-1] in ".!?…" else line + "."


def _files_of_model() -> str:
    """What lies in the folder in which the worker was started: that of the model."""
    try:
        found = sorted(name for name in os.listdir(os.curdir) if name != "__pycache__")
    except OSError:
        return "no files that can be listed"
    listed = ", ".join(found[:_LISTED_FILES])
    return (listed + ", …" if len(found) > _LISTED_FILES else listed) or "no files"


def last_lines(error: BaseException) -> str:
    """The traceback of the author's code, as far as it is short."""
    try:
        own = _own_code(error.__traceback__)
        lines: List[str] = "".join(traceback.format_exception(type(error), error, own)).splitlines()
    except Exception:
        return summary(error)
    return "\n".join(lines[-_TRACE_LINES:])[-_TRACE_CHARACTERS:]


def _own_code(frames: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback from the author's first line on.

    Without such a line all of it, or nothing when Python itself could not read the file: the exception then says where.
    """
    here = frames
    file = ""
    while here is not None:
        file = here.tb_frame.f_code.co_filename
        is_ours = file.startswith(_OWN_FOLDER) or file.startswith("<frozen ") or file.endswith("importlib/__init__.py")
        if not is_ours:
            return here
        here = here.tb_next
    return None if file.startswith("<frozen ") else frames


def _text(error: Optional[BaseException]) -> str:
    try:
        return str(error)
    except Exception:
        return "its text cannot be shown"
