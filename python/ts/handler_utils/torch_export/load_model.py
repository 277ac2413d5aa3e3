"""Loading what torch.export and its compilers have written: libraries (`.so`) and packages (`.pt2`). Needs a torch that can."""

from __future__ import annotations

import os
import zipfile
from typing import Any, Optional


def load_exported_model(model_so_path: str, device: Optional[str] = "cpu") -> Any:
    """A model that AOTInductor compiled into a shared library. `device` is "cpu" or "cuda"."""
    import torch

    return torch._export.aot_load(model_so_path, device)


def load_exported_package(path: str) -> Any:
    """The model of a `.pt2` file: compiled by AOTInductor, or a program as torch.export saved it.

    Raises RuntimeError when the installed torch is too old for it.
    """
    if is_compiled_package(path):
        try:
            from torch._inductor import aoti_load_package
        except ImportError:
            raise _too_old(path, "2.6") from None
        return aoti_load_package(path)
    try:
        from torch.export import load
    except ImportError:
        raise _too_old(path, "2.1") from None
    return load(path).module()


def is_compiled_package(path: str) -> bool:
    """Whether a `.pt2` file holds compiled code, rather than a program that is still to be run by torch."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("aotinductor" in name for name in archive.namelist())


def _too_old(path: str, version: str) -> RuntimeError:
    import torch

    name = os.path.basename(path)
    return RuntimeError("%s needs torch %s or newer; torch %s is installed" % (name, version, torch.__version__))
