"""The built-in handler `object_detector`."""

from __future__ import annotations

from typing import Any, Dict, List

import torch
from torchvision import transforms

from ts.handler_utils.timer import timed
from ts.torch_handler.image_batch import load_image
from ts.torch_handler.vision_handler import VisionHandler
from ts.utils.util import map_class_to_label


class ObjectDetector(VisionHandler):
    """An image to the objects on it. Images of one batch may differ in size."""

    image_processing = transforms.Compose([transforms.ToTensor()])
    #: Objects with a lower score are left out.
    threshold = 0.5

    @timed
    def preprocess(self, data: Any) -> Any:
        """One tensor when all images are of one size, otherwise a list of tensors; on the device."""
        images = [load_image(row, self.image_processing).to(self.device) for row in data]
        return torch.stack(images) if all(image.shape == images[0].shape for image in images) else images

    @timed
    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """The model's detections, a dictionary for each image."""
        # Compiled detection networks take a list and nothing else, and return their losses beside the detections.
        is_compiled = isinstance(self.model, torch.jit.ScriptModule)
        images = list(data) if is_compiled else data
        with torch.no_grad():
            detections = self.model(images, *args, **kwargs)
        return detections[1] if is_compiled and isinstance(detections, tuple) else detections

    @timed
    def postprocess(self, data: Any) -> List[List[Dict[str, Any]]]:
        """For each image its objects, each as `{label: [x1, y1, x2, y2], "score": …}`."""
        return [self._objects(detections) for detections in data]

    def _objects(self, detections: Dict[str, Any]) -> List[Dict[str, Any]]:
        chosen = detections["scores"] >= self.threshold
        scores = detections["scores"][chosen].tolist()
        labels = [[label] for label in detections["labels"][chosen].tolist()]
        boxes = [[box] for box in detections["boxes"][chosen].tolist()]
        objects: List[Dict[str, Any]] = map_class_to_label(boxes, self.mapping, labels)
        for found, score in zip(objects, scores):
            found["score"] = score
        return objects
