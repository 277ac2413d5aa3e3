"""A pipeline of NVIDIA DALI that turns encoded images into tensors, as model-config.yaml says. Needs nvidia-dali."""

from __future__ import annotations

import os
from typing import Any, Dict

_KEYS = ("batch_size", "num_threads", "device_id", "seed")


def get_dali_pipeline(ctx: Any) -> Any:
    """The pipeline of `dali.pipeline_file` in the archive, or one that does what ImageClassifier does.

    The section `dali` must have batch_size, num_threads, device_id and seed. Raises ValueError, naming the key, for what is missing.
    """
    section = (ctx.model_yaml_config or {}).get("dali")
    if not isinstance(section, dict):
        raise ValueError("%s has no section dali in model-config.yaml" % ctx.model_name)
    for key in _KEYS:
        if key not in section:
            raise ValueError("%s has no dali.%s in model-config.yaml" % (ctx.model_name, key))
    settings = {key: section[key] for key in _KEYS}
    if "pipeline_file" not in section:
        return _default_pipeline(settings)
    path = os.path.join(ctx.system_properties.get("model_dir"), section["pipeline_file"])
    if not os.path.exists(path):
        raise ValueError("%s: dali.pipeline_file names %s, which is not in the archive" % (ctx.model_name, path))

    from nvidia.dali.pipeline import Pipeline

    return Pipeline.deserialize(filename=path, prefetch_queue_depth=1, **settings)


def _default_pipeline(settings: Dict[str, Any]) -> Any:
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(prefetch_queue_depth=1, **settings)
    def classify() -> Any:
        encoded = fn.external_source(name="source", dtype=types.UINT8)
        images = fn.decoders.image(encoded, device="mixed", output_type=types.RGB)
        images = fn.resize(images, resize_shorter=256)
        return fn.crop_mirror_normalize(
            images,
            dtype=types.FLOAT,
            output_layout="CHW",
            crop=(224, 224),
            mean=[0.485 * 255, 0.456 * 255, 0.406 * 255],
            std=[0.229 * 255, 0.224 * 255, 0.225 * 255],
        )

    pipeline = classify()
    pipeline.build()
    return pipeline
