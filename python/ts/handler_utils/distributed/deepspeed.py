"""A model in a DeepSpeed inference engine, as model-config.yaml says. Needs deepspeed."""

from __future__ import annotations

import glob
import json
import os
from typing import Any


def get_ds_engine(model: Any, ctx: Any) -> Any:
    """The engine for `deepspeed.config` and `deepspeed.checkpoint`, both below the model's folder; the latter may be absent.

    A checkpoint list that is named but not there is made of the files in `handler.model_path`. Raises ValueError, naming the key,
    for what is missing.
    """
    config = ctx.model_yaml_config or {}
    section = config.get("deepspeed")
    if not isinstance(section, dict):
        raise ValueError("%s has no section deepspeed in model-config.yaml" % ctx.model_name)
    model_dir = ctx.system_properties.get("model_dir")
    if "config" not in section:
        raise ValueError("%s has no deepspeed.config in model-config.yaml" % ctx.model_name)
    ds_config = os.path.join(model_dir, section["config"])
    if not os.path.exists(ds_config):
        raise ValueError(
            "%s: deepspeed.config names %s, which is not in the archive" % (ctx.model_name, section["config"])
        )
    checkpoint = None
    if "checkpoint" in section:
        checkpoint = os.path.join(model_dir, section["checkpoint"])
        if not os.path.exists(checkpoint):
            model_path = (config.get("handler") or {}).get("model_path")
            if not model_path:
                raise ValueError(
                    "%s: deepspeed.checkpoint is not in the archive, and handler.model_path names no weights"
                    % ctx.model_name
                )
            create_checkpoints_json(model_path, checkpoint)

    import deepspeed

    return deepspeed.init_inference(model, config=ds_config, checkpoint=checkpoint)


def create_checkpoints_json(model_path: str, checkpoints_json: str) -> None:
    """Writes the list of the weight files (.bin, .pt) below `model_path`, in the form that DeepSpeed reads."""
    files = [
        path
        for ending in ("bin", "pt")
        for path in glob.glob(os.path.join(model_path, "**", "*." + ending), recursive=True)
    ]
    with open(checkpoints_json, "w", encoding="utf-8") as file:
        json.dump({"type": "ds_model", "checkpoints": sorted(files), "version": 1.0}, file)
