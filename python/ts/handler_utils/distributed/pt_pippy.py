"""A model cut into stages by PiPPy (package torchpippy, no longer maintained), one for each rank."""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict


def initialize_rpc_workers(local_rank: int, world_size: int, ctx: Any) -> None:
    """Joins the ranks, with `pippy.rpc_timeout` in seconds and `pippy.num_worker_threads` of model-config.yaml."""
    import torch
    import torch.distributed.rpc as rpc

    section = _section(ctx, "pippy", "rpc_timeout", "num_worker_threads")
    options = rpc.TensorPipeRpcBackendOptions(
        num_worker_threads=section["num_worker_threads"], rpc_timeout=section["rpc_timeout"]
    )
    devices = torch.cuda.device_count()
    for rank in range(world_size):
        options.set_device_map("worker%d" % rank, {local_rank % devices: rank % devices})
    rpc.init_rpc("worker%d" % local_rank, rank=local_rank, world_size=world_size, rpc_backend_options=options)


def get_pipeline_driver(model: Any, world_size: int, ctx: Any) -> Any:
    """Cuts the model into `world_size` stages of equal size, as the section `pippy` says (`input_names`, `model_type`, `chunks`).

    Raises ValueError, naming the key, for what is missing.
    """
    section = _section(ctx, "pippy", "input_names", "model_type")
    handler = _section(ctx, "handler", "model_path")
    index_file = handler.get("index_filename")
    if index_file is not None:
        index_file = os.path.join(handler["model_path"], index_file)
        if not os.path.exists(index_file):
            raise ValueError("handler.index_filename: there is no file %s" % index_file)
    is_hugging_face = section["model_type"] == "HF"

    import pippy
    from pippy.hf import PiPPyHFTracer, inject_pipeline_forward

    model.eval()
    fixed = {
        name: parameter.default
        for name, parameter in inspect.signature(model.forward).parameters.items()
        if name not in section["input_names"]
    }
    if is_hugging_face and "bloom" in str(type(model)):
        fixed.setdefault("deprecated_arguments", {})
    driver, _ = pippy.all_compile(
        model,
        num_ranks=world_size,
        num_chunks=section.get("chunks", 1),
        schedule="FillDrain",
        split_policy=pippy.split_into_equal_size(world_size),
        tracer=PiPPyHFTracer() if is_hugging_face else None,
        concrete_args=fixed,
        index_filename=index_file,
        checkpoint_prefix=None,
    )
    if not is_hugging_face:
        return driver
    inject_pipeline_forward(model, driver)
    return model


def _section(ctx: Any, name: str, *keys: str) -> Dict[str, Any]:
    section = (ctx.model_yaml_config or {}).get(name)
    if not isinstance(section, dict):
        raise ValueError("model-config.yaml has no section %s" % name)
    for key in keys:
        if key not in section:
            raise ValueError("model-config.yaml has no %s.%s" % (name, key))
    return section
