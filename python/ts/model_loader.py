"""Loading a model's handler outside of a server, with the rules of the worker.

The worker loads without this module; this is the only place of `ts` that uses the worker's code.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from abc import ABCMeta, abstractmethod
from typing import Any, Optional

from ts.service import Service


class ModelLoader(metaclass=ABCMeta):
    """What loads a model."""

    @abstractmethod
    def load(
        self,
        model_name: str,
        model_dir: str,
        handler: Optional[str] = None,
        gpu_id: Optional[int] = None,
        batch_size: Optional[int] = None,
        envelope: Optional[str] = None,
        limit_max_image_pixels: bool = True,
        metrics_cache: Any = None,
    ) -> Service:
        """The initialised model."""


class TsModelLoader(ModelLoader):
    """The loader of folders that archives unpack to."""

    def load(
        self,
        model_name: str,
        model_dir: str,
        handler: Optional[str] = None,
        gpu_id: Optional[int] = None,
        batch_size: Optional[int] = None,
        envelope: Optional[str] = None,
        limit_max_image_pixels: bool = True,
        metrics_cache: Any = None,
    ) -> Service:
        """Imports the handler, makes its service and initialises it.

        Raises ImportError when the handler or what it imports is not there, ValueError when it is there and cannot be used, and
        whatever the handler raises while it initialises.
        """
        from sconce_worker.handler_loader import load_entry_point
        from sconce_worker.load_failure import LoadFailure

        if metrics_cache is not None:
            metrics_cache.set_request_ids(str(uuid.uuid4()))
            metrics_cache.model_name = model_name
        if model_dir not in sys.path:
            sys.path.insert(0, model_dir)
        try:
            entry_point = load_entry_point(handler, envelope, model_dir)
        except LoadFailure as failure:
            if failure.__cause__ is not None:
                raise failure.__cause__ from None
            raise ValueError(failure.message) from None
        service = Service(
            model_name,
            model_dir,
            _read_manifest(model_dir),
            entry_point.handle,
            gpu_id,
            batch_size,
            limit_max_image_pixels,
            metrics_cache,
        )
        entry_point.initialize(service.context)
        return service


class ModelLoaderFactory:
    """Where tools ask for a loader."""

    @staticmethod
    def get_model_loader() -> TsModelLoader:
        return TsModelLoader()


def _read_manifest(model_dir: str) -> Any:
    path = os.path.join(model_dir, "MAR-INF", "MANIFEST.json")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)
