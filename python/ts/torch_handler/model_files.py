"""A file that a model needs and its archive does not have."""

from __future__ import annotations

import os


class ModelFileMissing(FileNotFoundError, RuntimeError):
    """Says which file is missing. A RuntimeError, as handlers have come to expect, and a FileNotFoundError, which it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


def require_file(path: str, what: str) -> str:
    """`path` when there is something at it. Raises ModelFileMissing otherwise."""
    if not os.path.exists(path):
        raise ModelFileMissing("Missing the %s file %s" % (what, os.path.basename(path)))
    return path
