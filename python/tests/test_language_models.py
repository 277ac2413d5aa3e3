"""The handlers of language models, with stand-ins for the engines: what these are asked for, and what the client gets."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import types
import unittest
from typing import Any, Dict, List
from unittest import mock

from torch_case import HAS_TORCH, TorchCase
from ts.context import BatchLink
from ts.utils.util import PredictionException


class Sent(BatchLink):
    """Keeps the parts of a stream, and counts how often somebody has waited for room behind one."""

    def __init__(self) -> None:
        self.parts: List[Any] = []
        self.waits = 0

    async def _room(self) -> None:
        self.waits += 1

    def send_intermediate(self, ret: Any, req_id_map: Any, message: str, code: int, context: Any) -> Any:
        self.parts.append(ret[0])
        return self._room()


class Answer:
    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.__dict__.update(fields)

    def model_dump(self) -> Any:
        return self.fields


class ErrorResponse(Answer):
    pass


class Request:
    def __init__(self, body: Dict[str, Any]) -> None:
        self.prompt = body["prompt"]
        self.stream = body.get("stream", False)

    @classmethod
    def model_validate(cls, body: Dict[str, Any]) -> "Request":
        if "prompt" not in body:
            raise ValueError("prompt is missing")
        return cls(body)


class ServingCompletion:
    def __init__(self, engine: Any, config: Any, names: Any, **options: Any) -> None:
        self.made_of = (engine, config, names, options)

    async def create_completion(self, request: Request, connection: Any) -> Any:
        assert not await connection.is_disconnected() and connection.headers == {}
        if request.prompt == "bad":
            return ErrorResponse(message="too long", code=400)
        if not request.stream:
            return Answer(text=request.prompt.upper())
        return self._parts(request.prompt)

    async def _parts(self, prompt: str) -> Any:
        for word in prompt.split():
            yield "data: %s\n\n" % word
        yield "data: [DONE]\n\n"


class ServingChat(ServingCompletion):
    def __init__(self, engine: Any, config: Any, names: Any, role: str, **options: Any) -> None:
        super().__init__(engine, config, names, **options)

    async def show_available_models(self) -> Any:
        return Answer(data=["llm"])

    async def create_chat_completion(self, request: Request, connection: Any) -> Any:
        return Answer(chat=request.prompt)


def module(name: str, **members: Any) -> Any:
    made: Any = types.ModuleType(name)
    made.__dict__.update(members)
    return made


class EngineArgs:
    def __init__(self, model: str) -> None:
        self.model = model
        self.max_model_len = None
        self.served_model_name = None


class Engine:
    @classmethod
    def from_engine_args(cls, arguments: Any) -> "Engine":
        made = cls()
        made.arguments = arguments  # type: ignore[attr-defined]
        return made

    async def get_model_config(self) -> Any:
        return "config"


def fake_vllm() -> Dict[str, Any]:
    openai = "vllm.entrypoints.openai"
    protocol = module(
        openai + ".protocol", ChatCompletionRequest=Request, CompletionRequest=Request, ErrorResponse=ErrorResponse
    )
    return {
        "vllm": module("vllm", AsyncEngineArgs=EngineArgs, AsyncLLMEngine=Engine),
        "vllm.entrypoints": module("vllm.entrypoints"),
        openai: module(openai),
        openai + ".protocol": protocol,
        openai + ".serving_chat": module(openai + ".serving_chat", OpenAIServingChat=ServingChat),
        openai + ".serving_completion": module(
            openai + ".serving_completion", OpenAIServingCompletion=ServingCompletion
        ),
        openai + ".serving_engine": module(openai + ".serving_engine", LoRAModulePath=lambda name, path: (name, path)),
    }


class LanguageCase(TorchCase):
    def setUp(self) -> None:
        super().setUp()
        # Real modules first: the stand-ins, and whatever is imported with them, are taken away again.
        importlib.import_module("ts.torch_handler.base_handler")
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.addCleanup(self.loop.close)
        self.sent = Sent()

    def import_with(self, fakes: Dict[str, Any], name: str) -> Any:
        patch = mock.patch.dict(sys.modules, fakes)
        patch.start()
        self.addCleanup(patch.stop)
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    def ask(self, handler: Any, body: Any, path: str = "", rows: int = 1) -> Any:
        self.asked = self.context(headers={"url_path": path}, requests=rows)
        self.asked._link = self.sent
        return self.loop.run_until_complete(handler.handle([{"body": body}] * rows, self.asked))


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class Vllm(LanguageCase):
    def handler(self, **settings: Any) -> Any:
        kind = self.import_with(fake_vllm(), "ts.torch_handler.vllm_handler").VLLMHandler
        return self.initialized(kind, self.context({"handler": dict({"model_path": "weights"}, **settings)}))

    def test_the_engine_is_made_of_the_configuration(self) -> None:
        engine = {"max_model_len": 250, "nothing_such": 1}
        with self.assertLogs("ts.torch_handler.vllm_handler", "WARNING") as logs:
            handler = self.handler(vllm_engine_config=engine, adapters={"mine": "lora"}, chat_template="t")
        self.assertIn("vllm_engine_config.nothing_such is no argument", logs.output[0])
        made, config, names, options = handler.chat_completion_service.made_of
        self.assertEqual((made.arguments.model, made.arguments.max_model_len), ("weights", 250))
        self.assertEqual((config, names), ("config", ["weights"]))
        self.assertEqual((options["lora_modules"], options["chat_template"]), ([("mine", "lora")], "t"))
        self.write("weights", "")
        self.assertEqual(self.handler().vllm_engine.arguments.model, self.path("weights"))
        with self.assertRaisesRegex(ValueError, "handler.vllm_engine_config.model or handler.model_path"):
            self.handler(model_path=None)

    def test_paths_of_the_openai_api_are_answered(self) -> None:
        handler = self.handler()
        self.assertEqual(self.ask(handler, {}, "v1/models"), [{"data": ["llm"]}])
        self.assertEqual(self.ask(handler, b'{"prompt": "hi"}', "v1/completions"), [{"text": "HI"}])
        self.assertEqual(self.ask(handler, {"prompt": "hi"}, "v1/chat/completions"), [{"chat": "hi"}])

    def test_a_stream_keeps_its_last_part_for_the_end(self) -> None:
        answer = self.ask(self.handler(), {"prompt": "one two", "stream": True}, "v1/completions")
        self.assertEqual((self.sent.parts, answer), (["data: one\n\n", "data: two\n\n"], ["data: [DONE]\n\n"]))
        self.assertEqual(self.sent.waits, 2)

    def test_what_the_client_did_wrong_has_its_status(self) -> None:
        handler = self.handler()
        for body, path, code, words in (
            ({}, "v1/nothing", 404, "Unknown API endpoint: v1/nothing"),
            ({}, "v1/completions", 400, "prompt is missing"),
            (b"{", "v1/completions", 400, "the body is not JSON"),
            ([1], "v1/completions", 400, "must be a JSON object"),
        ):
            with self.assertRaises(PredictionException) as caught:
                self.ask(handler, body, path)
            self.assertEqual(caught.exception.error_code, code)
            self.assertIn(words, caught.exception.message)
        self.assertEqual(self.ask(handler, {"prompt": "bad"}, "v1/completions")[0]["message"], "too long")
        self.assertEqual(self.asked.get_response_status(0)[0], 400)
        with self.assertRaisesRegex(PredictionException, "set batchSize to 1"):
            self.ask(handler, {}, "v1/completions", rows=2)


class Tokenizer:
    pad_token_id = None
    eos_token_id = 9

    @classmethod
    def from_pretrained(cls, folder: str, **options: Any) -> "Tokenizer":
        assert folder == "tokens"
        return cls()

    def decode(self, ids: List[int]) -> str:
        return "<%d>" % ids[0]


class Llm:
    def __init__(self, model: str, tokenizer: Any, kv_cache_config: Any) -> None:
        self.made_of = (model, kv_cache_config)

    async def generate_async(self, prompt: str, streaming: bool, sampling_params: Any) -> Any:
        self.sampling = sampling_params
        for count in range(1, 4) if streaming else [3]:
            output = module("output", text=prompt * count, token_ids=list(range(count)))
            yield module("request", outputs=[output])


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class TensorRtLlm(LanguageCase):
    def handler(self, **settings: Any) -> Any:
        hlapi = module("tensorrt_llm.hlapi", LLM=Llm, KvCacheConfig=dict, SamplingParams=dict)
        fakes = {
            "tensorrt_llm": module("tensorrt_llm", hlapi=hlapi),
            "tensorrt_llm.hlapi": hlapi,
            "transformers": module("transformers", AutoTokenizer=Tokenizer),
        }
        kind = self.import_with(fakes, "ts.torch_handler.trt_llm_handler").TRTLLMHandler
        return self.initialized(kind, self.context({"handler": settings}))

    def test_a_prompt_becomes_a_text_or_a_stream_of_texts(self) -> None:
        handler = self.handler(engine_dir="engine", tokenizer_dir="tokens", kv_cache_config={"free": 0.5})
        self.assertEqual(handler.trt_llm_engine.made_of, ("engine", {"free": 0.5}))
        self.assertEqual(self.ask(handler, {"prompt": "a", "temperature": 0.5}), ["aaa"])
        self.assertEqual(handler.trt_llm_engine.sampling, {"temperature": 0.5, "end_id": 9, "pad_id": 9})
        self.assertEqual(self.ask(handler, b'{"prompt": "a", "streaming": true}'), [""])
        self.assertEqual([json.loads(part)["text"] for part in self.sent.parts], ["<0>", "<1>", "<2>"])
        self.assertEqual(self.sent.waits, 3)

    def test_what_is_missing_is_named(self) -> None:
        with self.assertRaisesRegex(ValueError, "no handler.tokenizer_dir"):
            self.handler(engine_dir="engine")
        handler = self.handler(engine_dir="engine", tokenizer_dir="tokens")
        with self.assertRaisesRegex(PredictionException, "the body needs a prompt"):
            self.ask(handler, {"prompt": 5})


if __name__ == "__main__":
    unittest.main()
