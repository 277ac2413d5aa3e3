"""The built-in handler `image_segmenter`."""

from __future__ import annotations

from typing import Any, List

import torch
import torch.nn.functional as F
from torchvision import transforms as T

from ts.torch_handler.vision_handler import VisionHandler


class ImageSegmenter(VisionHandler):
    """An image to a class for each of its pixels."""

    #: What torchvision's segmentation models expect.
    image_processing = T.Compose(
        [
            T.Resize(256),
            T.CenterCrop(224),
            T.ToTensor(),
            T.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    def postprocess(self, data: Any) -> List[Any]:
        """For each image its rows of pixels, each pixel as `[class, probability]`."""
        probabilities, classes = torch.max(F.softmax(data["out"], dim=1), dim=1)
        return torch.stack([classes.type(probabilities.dtype), probabilities], dim=3).tolist()
