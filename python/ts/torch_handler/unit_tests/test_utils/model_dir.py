"""Fills a model's folder for a test of its handler."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Dict
from urllib.parse import urlparse
from urllib.request import urlopen

#: Where downloads are kept between tests.
_KEPT = os.path.join(tempfile.gettempdir(), "ts-test-models")


def download_model(model_url: str, model_dir: Any) -> None:
    """Puts the file at a URL into the folder as model.pt. It is fetched once for each machine."""
    os.makedirs(_KEPT, exist_ok=True)
    kept = os.path.join(_KEPT, os.path.basename(urlparse(model_url).path))
    if not os.path.exists(kept):
        with urlopen(model_url) as source, tempfile.NamedTemporaryFile(dir=_KEPT, delete=False) as file:
            shutil.copyfileobj(source, file)
        os.replace(file.name, kept)
    shutil.copy(kept, os.path.join(model_dir, "model.pt"))


def copy_files(src_dir: Any, dst_dir: Any, files: Dict[str, str]) -> None:
    """Copies files from one folder into another, under the names that `files` gives them."""
    for source, target in files.items():
        shutil.copyfile(os.path.join(src_dir, source), os.path.join(dst_dir, target))
