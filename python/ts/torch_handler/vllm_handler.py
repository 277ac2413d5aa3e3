"""The built-in handler `vllm_handler`: language models in vLLM, with the paths of OpenAI's API.

Speaks the Python API of vLLM 0.6.0 to 0.6.2. Needs `asyncCommunication: true` in model-config.yaml.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Dict, List, Optional

from vllm import AsyncEngineArgs, AsyncLLMEngine
from vllm.entrypoints.openai.protocol import ChatCompletionRequest, CompletionRequest, ErrorResponse
from vllm.entrypoints.openai.serving_chat import OpenAIServingChat
from vllm.entrypoints.openai.serving_completion import OpenAIServingCompletion
from vllm.entrypoints.openai.serving_engine import LoRAModulePath

from ts.handler_utils.utils import send_intermediate_predict_response
from ts.torch_handler.base_handler import BaseHandler
from ts.torch_handler.completion_request import Connection, completion_body
from ts.utils.util import PredictionException

logger = logging.getLogger(__name__)


class VLLMHandler(BaseHandler):
    """Answers `…/v1/models`, `…/v1/completions` and `…/v1/chat/completions`, below the model's version in the URL."""

    def __init__(self) -> None:
        super().__init__()
        self.vllm_engine: Any = None
        self.model_dir: Optional[str] = None
        self.adapters: Dict[str, str] = {}
        self.completion_service: Any = None
        self.chat_completion_service: Any = None

    def initialize(self, ctx: Any) -> None:
        """Starts the engine by the section `handler` of model-config.yaml."""
        import asyncio

        self.model_dir = ctx.system_properties.get("model_dir")
        settings = (ctx.model_yaml_config or {}).get("handler") or {}
        # The engine's own processes must not inherit this one's threads and sockets.
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
        arguments = self._get_vllm_engine_config(settings)
        self.vllm_engine = AsyncLLMEngine.from_engine_args(arguments)
        self.adapters = settings.get("adapters") or {}
        names = getattr(arguments, "served_model_name", None) or [arguments.model]
        config = asyncio.get_event_loop().run_until_complete(self.vllm_engine.get_model_config())
        common = {
            "lora_modules": [LoRAModulePath(name, path) for name, path in self.adapters.items()],
            "prompt_adapters": None,
            "request_logger": None,
        }
        self.completion_service = OpenAIServingCompletion(self.vllm_engine, config, names, **common)
        self.chat_completion_service = OpenAIServingChat(
            self.vllm_engine, config, names, "assistant", chat_template=settings.get("chat_template"), **common
        )
        self.initialized = True

    async def handle(self, data: Any, context: Any) -> Any:
        started_at = time.perf_counter()
        prepared = await self.preprocess(data, context)
        output = await self.postprocess(await self.inference(prepared, context))
        context.metrics.add_time("HandlerTime", round((time.perf_counter() - started_at) * 1000, 2), None, "ms")
        return output

    async def preprocess(self, requests: Any, context: Any) -> Any:
        """The request's JSON object, alone in a list."""
        return [completion_body(requests)]

    async def inference(self, input_batch: Any, context: Any) -> List[Any]:
        """Asks the service that the path names; sends all parts of a stream but the last, which is returned."""
        path = context.get_request_header(0, "url_path") or ""
        if path == "v1/models":
            return [(await self.chat_completion_service.show_available_models()).model_dump()]
        if path == "v1/completions":
            kind, create = CompletionRequest, self.completion_service.create_completion
        elif path == "v1/chat/completions":
            kind, create = ChatCompletionRequest, self.chat_completion_service.create_chat_completion
        else:
            raise PredictionException("Unknown API endpoint: %s" % path, 404)
        try:
            request = kind.model_validate(input_batch[0])
        except ValueError as error:
            raise PredictionException("the body does not fit %s: %s" % (path, error), 400) from None
        answer = await create(request, Connection(context))
        if isinstance(answer, ErrorResponse):
            context.set_response_status(answer.code, idx=0)
            return [answer.model_dump()]
        if not request.stream:
            return [answer.model_dump()]
        part = ""
        async for following in answer:
            if part:
                # Awaited: a client that reads slowly holds up its own stream, instead of losing it.
                await send_intermediate_predict_response([part], context.request_ids, "Result", 200, context)
            part = following
        return [part]

    async def postprocess(self, inference_outputs: Any) -> Any:
        return inference_outputs

    def _get_vllm_engine_config(self, handler_config: Dict[str, Any]) -> Any:
        """The engine's arguments. Raises ValueError when neither of the two keys names a model."""
        wanted = handler_config.get("vllm_engine_config") or {}
        model = wanted.get("model") or handler_config.get("model_path")
        if not model:
            raise ValueError(
                "model-config.yaml must name a model: handler.vllm_engine_config.model or handler.model_path"
            )
        local = os.path.join(self.model_dir or "", model)
        arguments = AsyncEngineArgs(model=local if not wanted.get("model") and os.path.exists(local) else model)
        for name, value in wanted.items():
            if hasattr(arguments, name):
                setattr(arguments, name, value)
            else:
                logger.warning(
                    "handler.vllm_engine_config.%s is no argument of this vLLM's engine, and is left out.", name
                )
        return arguments
