"""The built-in handler `trt_llm_handler`: language models in TensorRT-LLM.

Speaks the Python API of TensorRT-LLM's `hlapi` (`LLM`). Needs `asyncCommunication: true` in model-config.yaml.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any, List

from tensorrt_llm.hlapi import LLM, KvCacheConfig, SamplingParams
from transformers import AutoTokenizer

from ts.handler_utils.utils import send_intermediate_predict_response
from ts.torch_handler.base_handler import BaseHandler
from ts.torch_handler.completion_request import completion_body
from ts.utils.util import PredictionException

logger = logging.getLogger(__name__)


class TRTLLMHandler(BaseHandler):
    """A prompt to a text: `{"prompt": …, "streaming": false, …}`, where all other fields are sampling parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.trt_llm_engine: Any = None
        self.tokenizer: Any = None

    def initialize(self, ctx: Any) -> None:
        """Loads the engine by the section `handler` of model-config.yaml: engine_dir, tokenizer_dir, kv_cache_config."""
        settings = (ctx.model_yaml_config or {}).get("handler") or {}
        for key in ("engine_dir", "tokenizer_dir"):
            if key not in settings:
                raise ValueError("model-config.yaml has no handler.%s" % key)
        self.tokenizer = AutoTokenizer.from_pretrained(
            settings["tokenizer_dir"],
            padding_side="left",
            truncation_side="left",
            trust_remote_code=True,
            use_fast=True,
        )
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token_id = self.tokenizer.eos_token_id
        cache = KvCacheConfig(**(settings.get("kv_cache_config") or {}))
        self.trt_llm_engine = LLM(model=settings["engine_dir"], tokenizer=self.tokenizer, kv_cache_config=cache)
        self.initialized = True

    async def handle(self, data: Any, context: Any) -> Any:
        started_at = time.perf_counter()
        output = await self.postprocess(await self.inference(await self.preprocess(data), context))
        context.metrics.add_time("HandlerTime", round((time.perf_counter() - started_at) * 1000, 2), None, "ms")
        return output

    async def preprocess(self, requests: Any) -> Any:
        body = completion_body(requests)
        if not isinstance(body.get("prompt"), str):
            raise PredictionException("the body needs a prompt, a text", 400)
        return body

    async def inference(self, data: Any, context: Any) -> List[str]:
        """The whole text; with `streaming`, a part `{"text": …}` for each token, and an empty last part."""
        parameters = {key: value for key, value in data.items() if key not in ("prompt", "streaming")}
        parameters.setdefault("end_id", self.tokenizer.eos_token_id)
        parameters.setdefault("pad_id", self.tokenizer.pad_token_id)
        is_streaming = bool(data.get("streaming"))
        outputs = self.trt_llm_engine.generate_async(
            data["prompt"], streaming=is_streaming, sampling_params=SamplingParams(**parameters)
        )
        text = ""
        async for output in outputs:
            if is_streaming:
                piece = json.dumps({"text": self.tokenizer.decode([output.outputs[0].token_ids[-1]])})
                # Awaited: a client that reads slowly holds up its own stream, instead of losing it.
                await send_intermediate_predict_response([piece], context.request_ids, "Result", 200, context)
            else:
                text = output.outputs[0].text
        return [text]

    async def postprocess(self, outputs: Any) -> Any:
        return outputs
