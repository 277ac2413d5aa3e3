"""The base of handlers whose input is an image."""

from __future__ import annotations

from abc import ABC
from typing import Any

import torch
from PIL import Image

from ts.handler_utils.timer import timed
from ts.torch_handler.base_handler import BaseHandler
from ts.torch_handler.explanations import LazyAttribution, as_class
from ts.torch_handler.image_batch import load_image


class VisionHandler(BaseHandler, ABC):
    """Images (bytes, base64 text or nested lists) to one tensor; `image_processing` of the subclass does the rest."""

    #: Turns one PIL image into a tensor.
    image_processing: Any

    def initialize(self, context: Any) -> None:
        """Loads the model; lets very large images in when the server says so."""
        super().initialize(context)
        self.ig = LazyAttribution("IntegratedGradients", lambda: (self.model,))
        self.initialized = True
        if not context.system_properties.get("limit_max_image_pixels", True):
            Image.MAX_IMAGE_PIXELS = None

    @timed
    def preprocess(self, data: Any) -> Any:
        """One tensor of all images, on the device."""
        return torch.stack([load_image(row, self.image_processing) for row in data]).to(self.device)

    def get_insights(self, tensor_data: Any, inputs: Any, target: Any = 0) -> Any:
        """How much each pixel counted for `target`. Needs captum."""
        return self.ig.attribute(tensor_data, target=as_class(target), n_steps=15).tolist()
