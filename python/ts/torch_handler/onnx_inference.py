"""Running an ONNX Runtime session with tensors, as if it were a model of torch."""

from __future__ import annotations

from typing import Any, Dict

import torch


def is_onnx_session(model: Any) -> bool:
    return hasattr(model, "get_inputs") and hasattr(model, "run")


def run_onnx_session(session: Any, data: Any) -> Any:
    """The network's output tensor, a list when it has several. `data` is a tensor, a list in the order of the inputs, or a dict."""
    names = [each.name for each in session.get_inputs()]
    if isinstance(data, dict):
        given: Dict[str, Any] = data
    elif isinstance(data, (list, tuple)):
        given = dict(zip(names, data))
    else:
        given = {names[0]: data}
    feed = {name: value.detach().cpu().numpy() if torch.is_tensor(value) else value for name, value in given.items()}
    outputs = [torch.from_numpy(output) for output in session.run(None, feed)]
    return outputs[0] if len(outputs) == 1 else outputs
