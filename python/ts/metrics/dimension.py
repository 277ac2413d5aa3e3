"""A name and a value that tell one series of a metric from another."""

from __future__ import annotations

from typing import Any, Dict


class Dimension:
    """One dimension of a metric, `ModelName: resnet` for instance."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return "%s:%s" % (self.name, self.value)

    def to_dict(self) -> Dict[str, Any]:
        return {"Name": self.name, "Value": self.value}
