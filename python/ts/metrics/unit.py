"""Short names of units, and what they are called in a report."""

from __future__ import annotations


class Units:
    """The table of units; a unit that it does not list is reported as it is."""

    def __init__(self) -> None:
        self.units = {
            "ms": "Milliseconds",
            "s": "Seconds",
            "percent": "Percent",
            "count": "Count",
            "MB": "Megabytes",
            "GB": "Gigabytes",
            "kB": "Kilobytes",
            "B": "Bytes",
            None: "unit",
            "": "unit",
        }
