"""The built-in handler `image_classifier`."""

from __future__ import annotations

from typing import Any, Dict, List

import torch
import torch.nn.functional as F
from torchvision import transforms

from ts.handler_utils.timer import timed
from ts.torch_handler.vision_handler import VisionHandler
from ts.utils.util import map_class_to_label


class ImageClassifier(VisionHandler):
    """An image to its most probable classes."""

    topk = 5
    #: What models trained on ImageNet expect.
    image_processing = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    def set_max_result_classes(self, topk: int) -> None:
        """How many classes an answer names."""
        self.topk = topk

    def get_max_result_classes(self) -> int:
        return self.topk

    @timed
    def postprocess(self, data: Any) -> List[Dict[str, float]]:
        """`{label: probability}` for each image, the most probable first."""
        probabilities = F.softmax(data, dim=1)
        top, classes = torch.topk(probabilities, self.topk, dim=1)
        return map_class_to_label(top.tolist(), self.mapping, classes.tolist())
