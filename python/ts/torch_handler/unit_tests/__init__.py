"""Helpers for tests of handlers, without a server."""
