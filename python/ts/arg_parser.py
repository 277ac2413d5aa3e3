"""The parser of TorchServe's command line: importable, and no more. Sconce's own command is not written in Python."""

from __future__ import annotations

from typing import Any

from ts._absent import calling


class ArgParser:
    """Each method raises NotImplementedError, with what to use instead."""

    @staticmethod
    def ts_parser() -> Any:
        raise calling("ts.arg_parser.ArgParser")

    @staticmethod
    def model_service_worker_args() -> Any:
        raise calling("ts.arg_parser.ArgParser")

    @staticmethod
    def extract_args(args: Any = None) -> Any:
        raise calling("ts.arg_parser.ArgParser")
