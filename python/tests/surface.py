"""The import surface of TorchServe 0.12: each module with the names that handlers and tools take from it.

`needs` are packages that a module cannot be imported without. Modules of former releases that old archives name stand at the end.
"""

from __future__ import annotations

from typing import List, NamedTuple, Tuple


class Module(NamedTuple):
    name: str
    names: Tuple[str, ...]
    needs: Tuple[str, ...] = ()


def _module(name: str, names: str = "", needs: str = "") -> Module:
    return Module(name, tuple(names.split()), tuple(needs.split()))


_BUILT_IN = "ts.torch_handler."
_ENVELOPE = "ts.torch_handler.request_envelope."
_VISION = "torch torchvision PIL"

SURFACE: List[Module] = [
    _module("ts", "__version__"),
    _module("ts.version", "__version__"),
    _module("ts.context", "Context RequestProcessor"),
    _module(
        "ts.service",
        "Service emit_metrics PREDICTION_METRIC PredictionException get_yaml_config create_predict_response Context RequestProcessor",
    ),
    _module("ts.model_loader", "ModelLoaderFactory ModelLoader TsModelLoader"),
    _module(
        "ts.model_service_worker",
        "TorchModelServiceWorker SOCKET_ACCEPT_TIMEOUT MAX_FAILURE_THRESHOLD LOCAL_RANK WORLD_SIZE WORLD_RANK LOCAL_WORLD_SIZE",
    ),
    _module("ts.async_service", "AsyncService predict"),
    _module("ts.arg_parser", "ArgParser"),
    _module("ts.model_server", "start load_properties TS_NAMESPACE"),
    _module("ts.launcher", "start stop register_model register_model_with_params Tee PrintTillTheEnd"),
    _module("ts.llm_launcher"),
    _module(
        "ts.protocol.otf_message_handler",
        "retrieve_msg create_predict_response create_load_model_response encode_response_headers "
        "send_intermediate_predict_response bool_size int_size END_OF_LIST LOAD_MSG PREDICT_MSG RESPONSE",
    ),
    _module(
        "ts.utils.util",
        "PT2Backend check_valid_pt2_backend CLEANUP_REGEX list_classes_from_module load_label_mapping map_class_to_label "
        "get_yaml_config PredictionException deprecated",
    ),
    _module("ts.utils.hf_utils", "download_model"),
    _module("ts.utils.timeit_decorator", "timeit"),
    _module("ts.utils.setup_model_venv"),
    _module("ts.handler_utils.utils", "send_intermediate_predict_response import_class create_predict_response"),
    _module("ts.handler_utils.timer", "timed"),
    _module("ts.handler_utils.micro_batching", "MicroBatching HANDLER_METHODS WorkerThread execute_call"),
    _module("ts.handler_utils.hf_batch_streamer", "TextIteratorStreamerBatch"),
    _module("ts.handler_utils.text_utils", "get_tokenizer ngrams_iterator"),
    _module("ts.handler_utils.distributed.deepspeed", "get_ds_engine create_checkpoints_json"),
    _module("ts.handler_utils.distributed.pt_pippy", "initialize_rpc_workers get_pipeline_driver"),
    _module("ts.handler_utils.preprocess.dali", "get_dali_pipeline"),
    _module("ts.metrics.metric_cache_yaml_impl", "MetricsCacheYamlImpl"),
    _module("ts.metrics.metric_cache_abstract", "MetricCacheAbstract"),
    _module("ts.metrics.caching_metric", "CachingMetric"),
    _module("ts.metrics.metric_abstract", "MetricAbstract"),
    _module("ts.metrics.dimension", "Dimension"),
    _module("ts.metrics.metric_type_enum", "MetricTypes"),
    _module("ts.metrics.unit", "Units"),
    _module("ts.metrics.metric", "Metric"),
    _module("ts.metrics.metrics_store", "MetricsStore"),
    _module("ts.metrics.metric_encoder", "MetricEncoder"),
    _module("ts.metrics.system_metrics", "collect_all cpu_utilization memory_used disk_used gpu_utilization"),
    _module("ts.metrics.process_memory_metric", "check_process_mem_usage"),
    _module("ts.metrics.metric_collector"),
    _module(
        "ts.metrics.metric_cache_errors",
        "GeneralMetricsCacheError MetricsCacheIOError MetricsCachePyYamlError MetricsCacheTypeError MetricsCacheValueError "
        "MetricsCacheKeyError",
    ),
    _module(
        _BUILT_IN + "base_handler",
        "BaseHandler setup_ort_session PROFILER_AVAILABLE XLA_AVAILABLE PT2_AVAILABLE PT230_AVAILABLE IPEX_AVAILABLE "
        "ONNX_AVAILABLE logger torch list_classes_from_module load_label_mapping",
        "torch",
    ),
    _module(_BUILT_IN + "vision_handler", "VisionHandler BaseHandler torch", _VISION),
    _module(
        _BUILT_IN + "image_classifier", "ImageClassifier VisionHandler F torch transforms map_class_to_label", _VISION
    ),
    _module(_BUILT_IN + "image_segmenter", "ImageSegmenter VisionHandler torch", _VISION),
    _module(_BUILT_IN + "object_detector", "ObjectDetector VisionHandler torch map_class_to_label", _VISION),
    _module(
        _BUILT_IN + "text_handler",
        "TextHandler BaseHandler CONTRACTIONS_PATTERN CONTRACTION_MAP CLEANUP_REGEX get_tokenizer logger torch F",
        "torch",
    ),
    _module(
        _BUILT_IN + "text_classifier",
        "TextClassifier TextHandler F torch logger ngrams_iterator map_class_to_label",
        "torch",
    ),
    _module(_BUILT_IN + "contractions", "CONTRACTION_MAP"),
    _module(_BUILT_IN + "densenet_handler", "DenseNetHandler list_classes_from_module logger torch", "torch"),
    _module(_BUILT_IN + "dali_handler", "DALIHandler", "torch numpy PIL"),
    _module(_BUILT_IN + "dali_image_classifier", "DALIImageClassifier", "torch numpy PIL"),
    _module(_BUILT_IN + "vllm_handler", "VLLMHandler", "vllm"),
    _module(_BUILT_IN + "trt_llm_handler", "TRTLLMHandler", "tensorrt_llm"),
    _module(_BUILT_IN + "distributed.base_deepspeed_handler", "BaseDeepSpeedHandler", "torch"),
    _module(_BUILT_IN + "distributed.base_pippy_handler", "BasePippyHandler", "torch"),
    _module(_ENVELOPE + "base", "BaseEnvelope"),
    _module(_ENVELOPE + "body", "BodyEnvelope"),
    _module(_ENVELOPE + "json", "JSONEnvelope"),
    _module(_ENVELOPE + "kserve", "KServeEnvelope"),
    _module(_ENVELOPE + "kservev2", "KServev2Envelope"),
    _module(_BUILT_IN + "unit_tests.test_utils.mock_context", "MockContext"),
    _module(_BUILT_IN + "unit_tests.test_utils.model_dir", "download_model copy_files"),
    _module("ts.model_service.model_service", "ModelService SingleNodeService"),
    _module(_ENVELOPE + "kfserving", "KFservingEnvelope"),
    _module(_ENVELOPE + "kfservingv2", "KFservingv2Envelope"),
    _module(_BUILT_IN + "distributed.base_neuronx_continuous_batching_handler", "BaseNeuronXContinuousBatchingHandler"),
    _module(_BUILT_IN + "distributed.base_neuronx_microbatching_handler", "BaseNeuronXMicroBatchingHandler"),
    _module("ts.handler_utils.torch_export.load_model", "load_exported_model"),
]
