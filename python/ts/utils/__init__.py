"""Helpers that handlers import by name; `util` is the module."""
