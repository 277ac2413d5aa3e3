"""The section `pt2` of model-config.yaml: whether to compile a model, and with what."""

from __future__ import annotations

import logging
from typing import Any, Dict, Optional

from ts.utils.util import check_valid_pt2_backend

logger = logging.getLogger(__name__)


def compile_options(config: Any) -> Optional[Dict[str, Any]]:
    """The arguments for torch.compile, None when the model is not to be compiled.

    `pt2.compile.enable` is taken out of the configuration, as handlers that read it after us have come to expect. Raises
    ValueError for a `pt2` of another form.
    """
    section = config.get("pt2") if isinstance(config, dict) else None
    if section is None:
        return None
    if isinstance(section, str):
        options = {"backend": section}
    elif not isinstance(section, dict):
        raise ValueError("pt2 should be str or dict")
    elif "compile" in section:
        options = section["compile"]
        if not isinstance(options, dict):
            raise ValueError("pt2.compile should be a dict")
        if not options.get("enable"):
            return None
        del options["enable"]
    elif "export" in section:
        return None
    else:
        logger.warning("pt2 with torch.compile's options at its top is deprecated: put them under pt2.compile.")
        options = section
    backend = options.get("backend")
    if backend is not None and not check_valid_pt2_backend(backend):
        return None
    return options


def is_aot_compiled(config: Any) -> bool:
    """Whether `pt2.export.aot_compile` says that the model is an ahead-of-time compiled library."""
    section = config.get("pt2") if isinstance(config, dict) else None
    export = section.get("export") if isinstance(section, dict) else None
    return bool(export.get("aot_compile")) if isinstance(export, dict) else False
