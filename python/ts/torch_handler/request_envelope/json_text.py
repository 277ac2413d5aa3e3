"""Text that is JSON already."""

from __future__ import annotations


class JsonText(str):
    """A str that the worker sends as it is, and declares as JSON."""

    result_kind = "json"
