"""The handler that loads a PyTorch model and runs it: the base of the built-in handlers and of most authors' own.

Authors override single steps, often without calling `super().__init__`; so no method relies on more than `initialize` and
`handle` have set. This module defines one class and no more, because the loader takes the only class that it finds.
"""

from __future__ import annotations

import abc
import importlib
import logging
import os
import time
from typing import Any, Dict, List, Optional, Tuple

import torch

from ts.handler_utils.timer import timed
from ts.handler_utils.torch_export.load_model import load_exported_model, load_exported_package
from ts.torch_handler.compile_options import compile_options, is_aot_compiled
from ts.torch_handler.explanations import no_explanation, target_of
from ts.torch_handler.model_files import ModelFileMissing, require_file
from ts.torch_handler.onnx_inference import is_onnx_session, run_onnx_session
from ts.torch_handler.torch_features import (
    find_ipex,
    find_onnxruntime,
    find_xla,
    prefer_fast_matmul,
    register_backends,
    torch_version,
)
from ts.utils.util import list_classes_from_module, load_label_mapping

logger = logging.getLogger(__name__)

prefer_fast_matmul()
register_backends()

_xla = find_xla()
_ipex = find_ipex()
_onnxruntime = find_onnxruntime()

PROFILER_AVAILABLE = torch_version() >= (1, 8, 1)
XLA_AVAILABLE = _xla is not None
PT2_AVAILABLE = torch_version() >= (2, 0, 0)
PT230_AVAILABLE = torch_version() > (2, 2, 2)
IPEX_AVAILABLE = _ipex is not None
ONNX_AVAILABLE = _onnxruntime is not None

# inference_mode came with torch 1.9.
_inference_mode = getattr(torch, "inference_mode", torch.no_grad)


def setup_ort_session(model_pt_path: str, map_location: Optional[str]) -> Any:
    """An ONNX Runtime session for a model file, on the GPU when `map_location` is "cuda"."""
    providers = (
        ["CUDAExecutionProvider", "CPUExecutionProvider"] if map_location == "cuda" else ["CPUExecutionProvider"]
    )
    options = _onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    return _onnxruntime.InferenceSession(model_pt_path, providers=providers, sess_options=options)


class BaseHandler(abc.ABC):
    """Loads TorchScript (`.pt`), eager (`modelFile`), exported (`.pt2`, `.so`) and ONNX models; tensors in, lists out."""

    def __init__(self) -> None:
        self.model: Any = None
        self.mapping: Optional[Dict[str, str]] = None
        self.device: Any = None
        self.initialized = False
        self.context: Any = None
        self.model_pt_path: Optional[str] = None
        self.manifest: Any = None
        self.map_location: Optional[str] = None
        self.explain = False
        self.target: Any = 0
        self.profiler_args: Dict[str, Any] = {}

    # --- loading ----------------------------------------------------------------------------------------------------

    def initialize(self, context: Any) -> None:
        """Chooses the device and loads the model that the manifest names.

        Raises ModelFileMissing (a RuntimeError) when the archive lacks a file or names no model.
        """
        if context is not None and hasattr(context, "model_yaml_config"):
            self.model_yaml_config = context.model_yaml_config
        config = getattr(self, "model_yaml_config", None)
        properties = context.system_properties
        model_dir = properties.get("model_dir")
        self.map_location, self.device = _choose_device(properties.get("gpu_id"))
        self.manifest = context.manifest
        model = (self.manifest or {}).get("model", {})
        serialized_file = model.get("serializedFile")
        self.model_pt_path = os.path.join(model_dir, serialized_file) if serialized_file else None

        model_file = model.get("modelFile", "")
        path = self.model_pt_path or ""
        if model_file:
            self.model = self._load_pickled_model(model_dir, model_file, self.model_pt_path)
            self.model.to(self.device)
            self.model.eval()
        elif path.endswith(".pt"):
            self.model = self._load_torchscript_model(path)
            self.model.eval()
        elif path.endswith(".onnx") and ONNX_AVAILABLE:
            self.model = setup_ort_session(require_file(path, "ONNX model"), self.map_location)
        elif path.endswith(".so") and PT230_AVAILABLE and is_aot_compiled(config):
            self.model = self._load_torch_export_aot_compile(path)
        elif path.endswith(".pt2"):
            self.model = load_exported_package(require_file(path, "exported model"))
        else:
            raise _no_model(path)

        options = compile_options(config)
        if options is not None and PT2_AVAILABLE:
            self._compile(options)
        elif IPEX_AVAILABLE and options is None and isinstance(self.model, torch.nn.Module):
            self.model = self.model.to(memory_format=torch.channels_last).to(self.device)
            self.model = _ipex.optimize(self.model)

        self.mapping = load_label_mapping(os.path.join(model_dir, "index_to_name.json"))
        self.initialized = True

    def _load_torchscript_model(self, model_pt_path: str) -> Any:
        """Loads a TorchScript model onto the device."""
        return torch.jit.load(require_file(model_pt_path, "TorchScript model"), map_location=self.device)

    def _load_torch_export_aot_compile(self, model_so_path: str) -> Any:
        """Loads a model that was exported and compiled ahead of time."""
        require_file(model_so_path, "compiled model")
        if self.map_location == "cuda":
            torch.cuda.set_device(self.device)
        return load_exported_model(model_so_path, self.map_location)

    def _load_pickled_model(self, model_dir: str, model_file: str, model_pt_path: Optional[str]) -> Any:
        """Creates the only class of `model_file` and gives it the weights, if there are any."""
        require_file(os.path.join(model_dir, model_file), "model.py")
        module = importlib.import_module(model_file.split(".")[0])
        classes = list_classes_from_module(module)
        if len(classes) != 1:
            raise ValueError(
                "Expected only one class as model definition. %s has: %s"
                % (model_file, ", ".join(each.__name__ for each in classes) or "none")
            )
        model = classes[0]()
        if model_pt_path:
            # A tensor cannot be unpickled straight onto an XLA device.
            map_location = None if XLA_AVAILABLE and self.map_location is None else self.device
            weights = torch.load(require_file(model_pt_path, "weights"), map_location=map_location)
            model.load_state_dict(weights)
        return model

    def _compile(self, options: Dict[str, Any]) -> None:
        try:
            self.model = torch.compile(self.model, **options)
            logger.info("Compiled model with %s", ", ".join("%s=%s" % item for item in options.items()) or "defaults")
        except Exception as error:
            logger.warning("Compiling the model failed, so it runs as it is: %s", error)

    # --- answering --------------------------------------------------------------------------------------------------

    @timed
    def preprocess(self, data: Any) -> Any:
        """Rows to a tensor on the device."""
        return torch.as_tensor(data, device=self.device)

    @timed
    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Runs the model without gradients."""
        if is_onnx_session(self.model):
            return run_onnx_session(self.model, data)
        with _inference_mode():
            return self.model(data.to(self.device), *args, **kwargs)

    @timed
    def postprocess(self, data: Any) -> List[Any]:
        """One result for each row."""
        return data.tolist()

    def handle(self, data: Any, context: Any) -> Any:
        """Answers a batch: preprocess, inference (or explanation), postprocess."""
        started_at = time.time()
        self.context = context
        if os.environ.get("ENABLE_TORCH_PROFILER"):
            output, _ = self._infer_with_profiler(data)
        elif self._is_describe():
            output = [self.describe_handle()]
        else:
            prepared = self.preprocess(data)
            if self._is_explain():
                output = self.explain_handle(prepared, data)
            else:
                output = self.postprocess(self.inference(prepared))
        metrics = getattr(context, "metrics", None)
        if metrics is not None:
            metrics.add_time("HandlerTime", round((time.time() - started_at) * 1000, 2), None, "ms")
        return output

    def explain_handle(self, data_preprocess: Any, raw_data: Any) -> Any:
        """The explanation of a batch, by `get_insights` of the subclass."""
        first = raw_data[0] if raw_data else None
        inputs = (first.get("data") or first.get("body")) if isinstance(first, dict) else None
        return self.get_insights(data_preprocess, inputs, target_of(raw_data))

    def get_insights(self, tensor_data: Any, inputs: Any, target: Any = 0) -> Any:
        """The explanation itself; for subclasses to say."""
        raise no_explanation(self)

    def describe_handle(self) -> Any:
        """What the model tells of itself, a JSON object; for subclasses to say."""
        logger.info("This handler describes nothing: override describe_handle to return a dict.")
        return None

    def get_device(self) -> Any:
        return self.device

    def _is_explain(self) -> bool:
        if self.context is not None and self.context.get_request_header(0, "explain") == "True":
            self.explain = True
            return True
        return False

    def _is_describe(self) -> bool:
        return self.context is not None and self.context.get_request_header(0, "describe") == "True"

    def _infer_with_profiler(self, data: Any) -> Tuple[Any, Any]:
        """A batch under torch's profiler; the trace goes to /tmp/pytorch_profiler unless `profiler_args` says otherwise."""
        from torch.profiler import ProfilerActivity, profile, record_function, tensorboard_trace_handler

        arguments = dict(getattr(self, "profiler_args", None) or {})
        arguments.setdefault("activities", [ProfilerActivity.CPU, ProfilerActivity.CUDA])
        arguments.setdefault("record_shapes", True)
        if "on_trace_ready" not in arguments:
            folder = os.path.join("/tmp/pytorch_profiler", (self.manifest or {}).get("model", {}).get("modelName", ""))
            arguments["on_trace_ready"] = tensorboard_trace_handler(folder)
            logger.info("The profiler writes to %s", folder)
        with profile(**arguments) as profiler:
            with record_function("preprocess"):
                prepared = self.preprocess(data)
            if self._is_explain():
                with record_function("explain"):
                    output = self.explain_handle(prepared, data)
            else:
                with record_function("inference"):
                    output = self.inference(prepared)
                with record_function("postprocess"):
                    output = self.postprocess(output)
        logger.info(profiler.key_averages().table(sort_by="cpu_time_total", row_limit=10))
        return output, profiler


def _choose_device(gpu_id: Any) -> Tuple[Optional[str], Any]:
    """The map location and the device for a worker that was given this GPU, or none."""
    if gpu_id is not None:
        if torch.cuda.is_available():
            return "cuda", torch.device("cuda:%s" % gpu_id)
        if (
            os.environ.get("TS_IPEX_GPU_ENABLE", "false") == "true"
            and hasattr(torch, "xpu")
            and torch.xpu.is_available()
        ):
            return "xpu", torch.device("xpu:%s" % gpu_id)
        if hasattr(torch.backends, "mps") and torch.backends.mps.is_available():
            return "mps", torch.device("mps")
    if XLA_AVAILABLE:
        return None, _xla.xla_device()
    return "cpu", torch.device("cpu")


def _no_model(path: str) -> Exception:
    """Why none of the kinds of models fits."""
    if not path:
        return ModelFileMissing(
            "No model weights could be loaded: the manifest names neither model.serializedFile nor model.modelFile"
        )
    name = os.path.basename(require_file(path, "model"))
    if name.endswith(".onnx"):
        why = "needs onnxruntime, which is not installed"
    elif name.endswith(".so"):
        why = "needs torch 2.3 or newer and pt2.export.aot_compile: true in model-config.yaml"
    else:
        why = "is neither .pt, .pt2, .onnx nor .so; weights of an eager model also need model.modelFile"
    return RuntimeError("No model weights could be loaded: %s %s" % (name, why))
