"""How a handler learns that its work is not wanted any more."""

from __future__ import annotations


class RequestCancelled(Exception):
    """Raised by the next attempt to stream when nobody waits for any request of the batch any more.

    A handler need not catch it: the worker ends the batch quietly.
    """
