"""TorchServe's start command: importable, and no more. Reading a properties file works as it did."""

from __future__ import annotations

from typing import Dict

from ts._absent import calling

TS_NAMESPACE = "org.pytorch.serve.ModelServer"


def start() -> None:
    """Started TorchServe. Raises NotImplementedError, with what to use instead."""
    raise calling("ts.model_server.start")


def load_properties(file_path: str) -> Dict[str, str]:
    """The keys and values of a properties file, without comments and lines that have no `=`."""
    properties: Dict[str, str] = {}
    with open(file_path, encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                properties[name.strip()] = value.strip()
    return properties


if __name__ == "__main__":
    start()
