"""From the row of a request to one image as a tensor."""

from __future__ import annotations

import base64
import io
from typing import Any, Callable

import torch
from PIL import Image


def load_image(row: Any, image_processing: Callable[[Any], Any]) -> Any:
    """The image under `data` or `body`: bytes or base64 text of a picture, or the numbers themselves as nested lists."""
    image = row.get("data") or row.get("body")
    if isinstance(image, str):
        image = base64.b64decode(image)
    if isinstance(image, (bytes, bytearray)):
        return image_processing(Image.open(io.BytesIO(image)))
    return torch.FloatTensor(image)
