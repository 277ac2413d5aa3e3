"""TorchServe's command that packs a language model and serves it: importable, and no more."""

from __future__ import annotations

import sys
from typing import Any

from ts._absent import absence, calling


def main(args: Any = None) -> None:
    """Raises NotImplementedError, with what to use instead."""
    raise calling("ts.llm_launcher.main")


if __name__ == "__main__":
    sys.exit(absence("ts.llm_launcher.main"))
