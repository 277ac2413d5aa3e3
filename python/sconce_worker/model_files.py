"""The two files of an archive that the worker itself reads: the manifest and the model's configuration."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

from sconce_worker.messages import Load


def read_manifest(model_dir: str) -> Optional[Dict[str, Any]]:
    """`MAR-INF/MANIFEST.json`, None when the model has none."""
    path = os.path.join(model_dir, "MAR-INF", "MANIFEST.json")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_model_config(load: Load, manifest: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """The configuration as handlers expect it: {} when the manifest names no file, None when the file is empty.

    Read with PyYAML where that can be imported, because handlers expect its values; otherwise as the server has read it.
    """
    section = manifest.get("model") if isinstance(manifest, dict) else None
    name = section.get("configFile") if isinstance(section, dict) else None
    if not name:
        return {}
    try:
        import yaml
    except ImportError:
        return load.model_config
    with open(os.path.join(load.model_dir, name), encoding="utf-8") as file:
        return yaml.safe_load(file)
