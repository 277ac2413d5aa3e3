"""The base of handlers that decode images with NVIDIA DALI. Needs nvidia-dali and numpy."""

from __future__ import annotations

from abc import ABC
from typing import Any

import numpy as np
import torch
from PIL import Image

from ts.handler_utils.preprocess.dali import get_dali_pipeline
from ts.torch_handler.base_handler import BaseHandler
from ts.torch_handler.explanations import LazyAttribution, as_class


class DALIHandler(BaseHandler, ABC):
    """Encoded images to one tensor, by the pipeline that the section `dali` of model-config.yaml describes."""

    def initialize(self, context: Any) -> None:
        """Loads the model and the pipeline."""
        super().initialize(context)
        self.ig = LazyAttribution("IntegratedGradients", lambda: (self.model,))
        if not context.system_properties.get("limit_max_image_pixels", True):
            Image.MAX_IMAGE_PIXELS = None
        self.pipeline = get_dali_pipeline(context)

    def preprocess(self, data: Any) -> Any:
        """One tensor of all images, on the device."""
        images = [np.frombuffer(row.get("data") or row.get("body"), dtype=np.uint8) for row in data]
        (outputs,) = self.pipeline.run(source=images)
        return torch.stack([torch.as_tensor(np.asarray(output)) for output in outputs.as_cpu()]).to(self.device)

    def get_insights(self, tensor_data: Any, inputs: Any, target: Any = 0) -> Any:
        """How much each pixel counted for `target`. Needs captum."""
        return self.ig.attribute(tensor_data, target=as_class(target), n_steps=15).tolist()
