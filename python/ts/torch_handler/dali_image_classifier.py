"""The built-in handler `dali_image_classifier`."""

from __future__ import annotations

from typing import Any, Dict, List

import torch
import torch.nn.functional as F

from ts.torch_handler.dali_handler import DALIHandler
from ts.utils.util import map_class_to_label


class DALIImageClassifier(DALIHandler):
    """An image, decoded by DALI, to its most probable classes."""

    topk = 5

    def set_max_result_classes(self, topk: int) -> None:
        """How many classes an answer names."""
        self.topk = topk

    def get_max_result_classes(self) -> int:
        return self.topk

    def postprocess(self, data: Any) -> List[Dict[str, float]]:
        """`{label: probability}` for each image, the most probable first."""
        top, classes = torch.topk(F.softmax(data, dim=1), self.topk, dim=1)
        return map_class_to_label(top.tolist(), self.mapping, classes.tolist())
