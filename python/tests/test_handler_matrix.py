"""Every form that a handler may have, in a real worker: what its clients get, and what TorchServe 0.12 gave them.

`torchserve` is TorchServe's outcome: the status, or the text of its error. Where Sconce does better, `better` says how. The status
of an error code is the dialect's matter (docs/reference/errors.md): "503 Prediction failed" there is PREDICTION_FAILED here.
"""

from __future__ import annotations

import importlib.util
import json
import textwrap
import unittest
from typing import Any, Dict, List, NamedTuple, Optional

import packages  # noqa: F401
from worker_driver import WorkerDriver, json_request

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_TORCHVISION = all(importlib.util.find_spec(name) is not None for name in ("torch", "torchvision", "PIL"))


class Row(NamedTuple):
    name: str
    source: str
    #: For each of the batch's requests: the body's bytes (or their JSON), or the code of its error.
    expected: List[Any]
    torchserve: str
    better: str = ""
    handler: str = "handler.py"
    #: The code of the failed load, instead of answers.
    load_error: Optional[str] = None
    #: Statuses and headers of the answers.
    heads: Optional[List[Dict[str, Any]]] = None
    load: Dict[str, Any] = {}
    is_available: bool = True


OK = [b"ok", b"ok"]
FAILED = ["PREDICTION_FAILED"] * 2

FORMS = [
    Row("a function of the module", "def handle(data, context): return data and ['ok'] * len(data)", OK, "200"),
    Row(
        "a function with other names of its parameters",
        "def handle(ctx, rows): return ctx and ['ok'] * len(ctx)",
        OK,
        "200",
    ),
    Row(
        "a function that is named",
        "def mine(data, context): return data and ['ok'] * len(data)",
        OK,
        "200",
        handler="handler:mine",
    ),
    Row(
        "a function beside classes",
        "class A: pass\nclass B: pass\ndef handle(data, context): return data and ['ok'] * 2",
        OK,
        "200",
    ),
    Row(
        "a class",
        "class A:\n  def initialize(self, context): self.word = 'ok'\n  def handle(self, data, context): return [self.word] * 2",
        OK,
        "200",
    ),
    Row(
        "a class that is named",
        "class A: pass\nclass B:\n  def initialize(self, c): pass\n  def handle(self, data, context): return ['ok'] * 2",
        OK,
        "fails: the class is called as a function",
        "the class is taken",
        handler="handler:B",
    ),
    Row(
        "an instance's handle that the constructor replaced",
        "class A:\n  def __init__(self): self.handle = lambda data, context: ['ok'] * 2\n  def initialize(self, c): pass\n"
        "  def handle(self, data, context): return []",
        OK,
        "200",
    ),
    Row(
        "a callable object as the module's handle",
        "def make():\n  class Late:\n    def __call__(self, data, context): return data and ['ok'] * 2\n  return Late()\nhandle = make()",
        OK,
        "200",
    ),
    Row(
        "a module that imports classes beside its own",
        "from collections import OrderedDict\nclass A:\n  def initialize(self, c): pass\n  def handle(self, data, c): return ['ok'] * 2",
        OK,
        "200",
    ),
    Row(
        "helper classes beside the only one with handle",
        "class Helper: pass\nclass A:\n  def initialize(self, c): pass\n  def handle(self, data, c): return ['ok'] * 2",
        [],
        "Expected only one class in custom service code or a function entry point",
        load_error="HANDLER_NOT_FOUND",
    ),
    Row(
        "helper classes beside a function that uses them",
        "class Helper:\n  word = 'ok'\ndef handle(data, context): return data and [Helper.word] * 2",
        OK,
        "200",
    ),
    Row(
        "global state",
        "loaded = []\ndef handle(data, context):\n  if data is None:\n    loaded.append('ok')\n  else:\n    return loaded * 2",
        OK,
        "200",
    ),
    Row(
        "a function that cannot bear None while loading",
        "def handle(data, context): return ['ok' for row in data]",
        [],
        "dies",
        load_error="HANDLER_INITIALIZE_FAILED",
    ),
    Row(
        "a class without handle",
        "class A:\n  def initialize(self, context): pass",
        [],
        "Expect handle method in class",
        load_error="HANDLER_NOT_FOUND",
    ),
    Row(
        "a class without initialize",
        "class A:\n  def handle(self, data, context): return ['ok'] * 2",
        [],
        "dies",
        load_error="HANDLER_INITIALIZE_FAILED",
    ),
    Row(
        "no handler of that name",
        "x = 1",
        [],
        "No module named ts.torch_handler.gone",
        handler="gone.py",
        load_error="HANDLER_NOT_FOUND",
    ),
    Row(
        "a module that cannot be imported",
        "import no_such_package",
        [],
        "No module named ts.torch_handler.handler",
        load_error="HANDLER_IMPORT_FAILED",
    ),
    Row("an exit while loading", "import sys; sys.exit(3)", [], "dies", load_error="HANDLER_IMPORT_FAILED"),
]

RETURN = "def handle(data, context): return data and %s"
RESULTS = [
    Row("str", RETURN % "['grüße', '']", ["grüße".encode("utf-8"), b""], "200"),
    Row("bytes and bytearray", RETURN % "[b'\\x00', bytearray(b'\\xff')]", [b"\x00", b"\xff"], "200"),
    Row(
        "a dict and a list",
        RETURN % "[{'a': [1]}, [None, True]]",
        [b'{\n  "a": [\n    1\n  ]\n}', b"[\n  null,\n  true\n]"],
        "200",
    ),
    Row("numbers, None and booleans", RETURN % "[1.5, None]", [b"1.5", b"null"], "200"),
    Row("a tuple as a result", RETURN % "[(1, 2), ()]", [b"[\n  1,\n  2\n]", b"[]"], "200"),
    Row("NaN", RETURN % "[float('nan'), float('inf')]", [b"NaN", b"Infinity"], "200"),
    Row(
        "a set among good results",
        RETURN % "[{1}, 'ok']",
        ["OUTPUT_NOT_SERIALISABLE", b"ok"],
        "503 for both",
        "the other request is answered",
    ),
    Row(
        "what contains itself",
        "a = []\na.append(a)\n" + RETURN % "[a, 'ok']",
        ["OUTPUT_NOT_SERIALISABLE", b"ok"],
        "dies",
        "the other request is answered",
    ),
    Row(
        "bytes inside JSON",
        RETURN % "[[b'x'], 'ok']",
        ["OUTPUT_NOT_SERIALISABLE", b"ok"],
        "503 for both",
        "the other request is answered",
    ),
    Row(
        "a tuple instead of the list",
        RETURN % "('ok', 'ok')",
        ["OUTPUT_NOT_A_LIST"] * 2,
        "Invalid model predict output",
    ),
    Row(
        "a dict instead of the list",
        RETURN % "{0: 'ok', 1: 'ok'}",
        ["OUTPUT_NOT_A_LIST"] * 2,
        "Invalid model predict output",
    ),
    Row("a str instead of the list", RETURN % "'ok'", ["OUTPUT_NOT_A_LIST"] * 2, "Invalid model predict output"),
    Row(
        "None instead of the list",
        "def handle(data, context): pass",
        ["OUTPUT_NOT_A_LIST"] * 2,
        "Invalid model predict output",
    ),
    Row(
        "a generator",
        "def handle(data, context):\n  for row in data or ():\n    yield 'ok'",
        ["OUTPUT_NOT_A_LIST"] * 2,
        "Invalid model predict output",
        "the message says how to stream",
    ),
    Row(
        "a coroutine without asyncCommunication",
        "class A:\n  def initialize(self, c): pass\n  async def handle(self, data, context): return ['ok'] * 2",
        ["OUTPUT_NOT_A_LIST"] * 2,
        "Invalid model predict output",
        "the message names asyncCommunication",
    ),
    Row("too few results", RETURN % "['ok']", ["OUTPUT_WRONG_LENGTH"] * 2, "number of batch response mismatched"),
    Row("too many results", RETURN % "['ok'] * 3", ["OUTPUT_WRONG_LENGTH"] * 2, "number of batch response mismatched"),
    Row(
        "a subclass of list",
        "class L(list): pass\ndef handle(data, context): return data and L(['ok', 'ok'])",
        OK,
        "200",
    ),
]

RAISE = "from ts.utils.util import PredictionException\ndef handle(data, context):\n  if data:\n    raise %s"
ITEM = "from ts.service import PredictionException\ndef handle(data, context): return data and [%s, 'ok']"
FAILURES = [
    Row("an exception", RAISE % "ValueError('secret')", FAILED, "503 Prediction failed"),
    Row(
        "PredictionException",
        RAISE % "PredictionException('no', 422)",
        ["HANDLER_ERROR"] * 2,
        "422 no",
        heads=[{"status": 422}] * 2,
    ),
    Row(
        "PredictionException without a code",
        RAISE % "PredictionException('no')",
        ["HANDLER_ERROR"] * 2,
        "500 no",
        heads=[{"status": 500}] * 2,
    ),
    Row(
        "a code that is not registered",
        RAISE % "PredictionException('no', 599)",
        ["HANDLER_ERROR"] * 2,
        "599 no",
        heads=[{"status": 599}] * 2,
    ),
    Row("MemoryError", RAISE % "MemoryError()", ["OUT_OF_RESOURCES"] * 2, "507 Out of resources"),
    Row(
        "an exception that speaks of CUDA",
        RAISE % "RuntimeError('CUDA out of memory')",
        ["OUT_OF_RESOURCES"] * 2,
        "507 Out of resources",
    ),
    Row("an exception without text", RAISE % "AssertionError", FAILED, "503 Prediction failed"),
    Row(
        "an exception as one result",
        ITEM % "ValueError('mine')",
        ["PREDICTION_FAILED", b"ok"],
        "503 for both",
        "the other request is answered",
    ),
    Row(
        "PredictionException as one result",
        ITEM % "PredictionException('not this one', 404)",
        ["HANDLER_ERROR", b"ok"],
        "503 for both",
        "its own client gets its code and text",
        heads=[{"status": 404, "message": "not this one"}, {}],
    ),
    Row(
        "MemoryError as one result",
        ITEM % "MemoryError()",
        ["OUT_OF_RESOURCES", b"ok"],
        "503 for both",
        "the other request is answered",
    ),
]

SET = "def handle(data, context):\n  if data is None: return\n  %s\n  return ['ok'] * 2"
HEADS = [
    Row(
        "a status for one request",
        SET % "context.set_response_status(418, 'Teapot', 1)",
        OK,
        "200 and 418 Teapot",
        heads=[{}, {"status": 418, "reason": "Teapot"}],
    ),
    Row(
        "a status for all",
        SET % "context.set_all_response_status(202, 'Taken')",
        OK,
        "202 Taken",
        heads=[{"status": 202, "reason": "Taken"}] * 2,
    ),
    Row(
        "a content type and a header for one request",
        SET % "context.set_response_content_type(0, 'text/x-a'); context.set_response_header(0, 'x-b', 'c')",
        OK,
        "200",
        heads=[{"headers": [["content-type", "text/x-a"], ["x-b", "c"]]}, {}],
    ),
    Row(
        "headers through the dictionary",
        SET % "context.get_response_headers(1)['x-a'] = 'b'",
        OK,
        "200",
        heads=[{}, {"headers": [["x-a", "b"]]}],
    ),
    Row(
        "a header that is no str",
        SET % "context.set_response_header(0, 'x', 5)",
        ["OUTPUT_HEADER_INVALID", b"ok"],
        "dies",
        "the other request is answered",
    ),
    Row(
        "a header with a line break",
        SET % "context.set_response_header(0, 'x', 'a\\r\\nb: c')",
        ["OUTPUT_HEADER_INVALID", b"ok"],
        "dies",
        "the other request is answered",
    ),
    Row(
        "a status that HTTP does not have",
        SET % "context.set_response_status(-1, '', 0)",
        ["OUTPUT_HEADER_INVALID", b"ok"],
        "dies",
        "the other request is answered",
    ),
    Row(
        "request ids that the handler takes out of the context",
        SET % "context.request_ids.clear()",
        OK,
        "no answer",
        "both are answered",
    ),
    Row("a request processor of the handler's own", SET % "context.request_processor = [None, None]", OK, "200"),
]

BASE = """
import torch
from ts.torch_handler.%s import %s as Base

class %s(Base):
    def __init__(self):
        %s
    def initialize(self, context):
        self.model, self.device, self.mapping, self.manifest = torch.nn.Identity(), torch.device('cpu'), None, {}
        self.initialized = True
    def preprocess(self, data): return torch.tensor([[float(row['body'])] for row in data])
    def inference(self, data, *args): return self.model(data)
    def postprocess(self, data): return data.squeeze(1).tolist()
"""


def _subclass(module: str, base: str, is_available: bool, constructor: str = "pass") -> Row:
    how = " without super().__init__()" if constructor == "pass" else ""
    source = BASE % (module, base, "Mine", constructor)
    return Row("a subclass of %s%s" % (base, how), source, [b"1.0", b"2.0"], "200", is_available=is_available)


SUBCLASSES = [
    _subclass("base_handler", "BaseHandler", HAS_TORCH, "super().__init__()"),
    _subclass("base_handler", "BaseHandler", HAS_TORCH),
    _subclass("text_handler", "TextHandler", HAS_TORCH),
    _subclass("text_classifier", "TextClassifier", HAS_TORCH),
    _subclass("densenet_handler", "DenseNetHandler", HAS_TORCH),
    _subclass("vision_handler", "VisionHandler", HAS_TORCHVISION),
    _subclass("image_classifier", "ImageClassifier", HAS_TORCHVISION),
    _subclass("image_segmenter", "ImageSegmenter", HAS_TORCHVISION),
    _subclass("object_detector", "ObjectDetector", HAS_TORCHVISION),
    Row(
        "a tensor as a result",
        "import torch\ndef handle(data, context): return data and [torch.tensor([1.5]), torch.tensor([True])]",
        [b"PK", b"PK"],
        "200, as torch.save writes it",
        is_available=HAS_TORCH,
    ),
]


class Matrix(unittest.TestCase):
    def check(self, rows: List[Row]) -> None:
        for row in rows:
            with self.subTest(row.name):
                if not row.is_available:
                    continue
                self.assertTrue(row.torchserve)
                with WorkerDriver({"handler.py": textwrap.dedent(row.source)}) as worker:
                    loaded = worker.load(row.handler, batchSize=2, **row.load).header
                    if row.load_error is not None:
                        self.assertEqual((loaded["type"], loaded.get("code")), ("error", row.load_error))
                        continue
                    self.assertEqual(loaded["type"], "ready", loaded)
                    answers = worker.ask(json_request("1"), json_request("2"))
                    again = worker.ask(json_request("1"), json_request("2"))
                self.check_answers(row, answers)
                # Nothing of the first batch is left for the second.
                self.check_answers(row, again)

    def check_answers(self, row: Row, answers: Any) -> None:
        for (kind, value, _), expected in zip(answers, row.expected):
            if isinstance(expected, str):
                self.assertEqual(kind, expected, value)
                self.assertNotIn("secret", value)
            elif expected == b"PK":
                self.assertTrue(value.startswith(expected))
            else:
                self.assertEqual(value, expected, (kind, value))
        for (_, _, outputs), head in zip(answers, row.heads or []):
            told = {key: value for key, value in outputs[-1].items() if key in ("status", "reason", "headers")}
            if "message" in head:
                told["message"] = outputs[-1]["message"]
            self.assertEqual(told, head)

    def test_forms_of_a_handler(self) -> None:
        self.check(FORMS)

    def test_results(self) -> None:
        self.check(RESULTS)

    def test_failures(self) -> None:
        self.check(FAILURES)

    def test_statuses_and_headers(self) -> None:
        self.check(HEADS)

    @unittest.skipUnless(HAS_TORCH, "torch is not installed")
    def test_subclasses_of_the_built_in_handlers(self) -> None:
        self.check(SUBCLASSES)

    def test_a_handler_describes_and_explains_when_it_is_asked_to(self) -> None:
        source = """
            def handle(data, context):
                if data is None:
                    return
                headers = context.get_all_request_header(0)
                if headers.get("describe") == "True":
                    assert data == [{}] and "explain" not in headers
                    return [{"about": "me"}]
                return ["explained" if headers.get("explain") == "True" else "predicted"] * len(data)
        """
        with WorkerDriver({"handler.py": source}) as worker:
            worker.load()
            self.assertEqual(json.loads(worker.ask({}, kind="describe")[0][1]), {"about": "me"})
            self.assertEqual(worker.ask({}, kind="explain")[0][1], b"explained")
            self.assertEqual(worker.ask({})[0][1], b"predicted")

    def test_an_exception_among_the_parts_of_a_stream_ends_its_own_request(self) -> None:
        source = """
            from ts.handler_utils.utils import send_intermediate_predict_response as send
            from ts.utils.util import PredictionException

            def handle(data, context):
                if data is None:
                    return
                send(["a", PredictionException("enough", 429)], context.request_ids, "ok", 200, context)
                return ["b", "never sent"]
        """
        with WorkerDriver({"handler.py": source}) as worker:
            worker.load(batchSize=2)
            streamed, ended = worker.ask({}, {})
            self.assertEqual(streamed[:2], ("text", b"ab"))
            self.assertEqual((ended[0], ended[1], ended[2][0]["status"]), ("HANDLER_ERROR", "enough", 429))

    def test_what_ended_one_request_is_in_the_log_with_its_id(self) -> None:
        source = "def handle(data, context): return data and [ValueError('just this one'), 'ok']"
        with WorkerDriver({"handler.py": source}) as worker:
            worker.load(batchSize=2)
            worker.ask({}, {})
            self.assertIn("The handler failed for one request: r-1\nValueError: just this one", worker.log())


if __name__ == "__main__":
    unittest.main()
