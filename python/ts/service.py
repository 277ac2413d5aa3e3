"""A handler with its context outside of a server: for tests of handlers, and for tools that called TorchServe's loader.

The worker has a service of its own (`sconce_worker.service`) and does not use this one.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from ts.context import Context as Context
from ts.context import RequestProcessor as RequestProcessor
from ts.handler_utils.utils import create_predict_response as create_predict_response
from ts.metrics.metric import Metric
from ts.metrics.metric_sink import has_metric_sink
from ts.utils.util import PredictionException as PredictionException
from ts.utils.util import get_yaml_config as get_yaml_config
from ts.version import __version__

logger = logging.getLogger(__name__)

PREDICTION_METRIC = "PredictionTime"


class Service:
    """One model that is called with batches as TorchServe's worker received them."""

    def __init__(
        self,
        model_name: str,
        model_dir: str,
        manifest: Optional[Dict[str, Any]],
        entry_point: Callable[[Any, Any], Any],
        gpu: Optional[int],
        batch_size: Optional[int],
        limit_max_image_pixels: bool = True,
        metrics_cache: Any = None,
    ) -> None:
        config_file = ((manifest or {}).get("model") or {}).get("configFile")
        self._context = Context(
            model_name,
            model_dir,
            manifest,
            batch_size,
            gpu,
            __version__,
            limit_max_image_pixels,
            metrics_cache,
            get_yaml_config(os.path.join(model_dir, config_file)) if config_file else {},
        )
        self._entry_point = entry_point
        self.cl_socket: Any = None

    @property
    def context(self) -> Context:
        return self._context

    def set_cl_socket(self, cl_socket: Any) -> None:
        """Keeps the socket for those who ask for it; nothing is written to it."""
        self.cl_socket = cl_socket

    @staticmethod
    def retrieve_data_for_inference(
        batch: Optional[List[Dict[str, Any]]],
    ) -> Tuple[List[RequestProcessor], List[Dict[str, Any]], Dict[int, str]]:
        """The headers, the rows and the request ids of a batch. Raises ValueError for None."""
        if batch is None:
            raise ValueError("Received invalid inputs")
        processors, rows, request_ids = [], [], {}
        for index, request in enumerate(batch):
            headers: Dict[str, Any] = {}
            row: Dict[str, Any] = {}
            for parameter in request.get("parameters") or ():
                name = _text(parameter["name"])
                row[name] = parameter["value"]
                headers[name] = {"content-type": _text(parameter.get("contentType"))}
            for header in request.get("headers") or ():
                headers[_text(header["name"])] = _text(header["value"])
            request_ids[index] = _text(request.get("requestId"))
            processors.append(RequestProcessor(headers))
            rows.append(row)
        return processors, rows, request_ids

    def predict(self, batch: List[Dict[str, Any]]) -> Any:
        """Calls the handler and returns what it returned, as it is. Its exceptions come out, and so do results of the wrong form."""
        processors, rows, request_ids = self.retrieve_data_for_inference(batch)
        context = self._context
        context.request_ids = request_ids
        context.request_processor = processors
        if context.metrics is not None:
            context.metrics.set_request_ids(request_ids)
        started_at = time.perf_counter()
        results = self._entry_point(rows, context)
        if not isinstance(results, list) or len(results) != len(rows):
            raise ValueError(
                "The handler must return a list of %d, one result for each request; it returned %s."
                % (len(rows), "a list of %d" % len(results) if isinstance(results, list) else type(results).__name__)
            )
        if context.metrics is not None:
            context.metrics.add_time(PREDICTION_METRIC, round((time.perf_counter() - started_at) * 1000, 2))
        return results


def emit_metrics(metrics: Any) -> None:
    """Reports each metric of a list; outside of a worker, writes it to the log as the line by which TorchServe collected it."""
    for metric in metrics or ():
        if isinstance(metric, Metric) and has_metric_sink():
            metric.report()
        else:
            logger.info("[METRICS]%s", metric)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return bytes(value).decode("utf-8") if isinstance(value, (bytes, bytearray)) else str(value)
