"""Metrics that handlers report through `context.metrics`."""
