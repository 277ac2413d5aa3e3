"""The built-in handlers with the torch that is installed; where there is none they are skipped, unless it is required."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import unittest
from typing import Any

from torch_case import HAS_TORCH, HAS_TORCHVISION, TorchCase
from worker_driver import WorkerDriver


def _is_torch_required() -> bool:
    if os.environ.get("SCONCE_REQUIRE_TORCH") != "1":
        return False
    python = os.environ.get("SCONCE_TORCH_PYTHON", "/usr/bin/python3")
    return os.path.realpath(python) == os.path.realpath(sys.executable)


class Requirement(unittest.TestCase):
    @unittest.skipUnless(_is_torch_required(), "torch is required of another interpreter, or of none")
    def test_torch_and_torchvision_are_installed_where_they_are_required(self) -> None:
        self.assertTrue(HAS_TORCH and HAS_TORCHVISION)


MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 3, bias=False)

    def forward(self, x):
        return self.layer(x)
"""


class HandlerCase(TorchCase):
    def net(self) -> Any:
        import torch

        net = torch.nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            net.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        return net

    def handler(self, base: type, *args: Any, **members: Any) -> Any:
        return type("Tested", (base,), members)(*args)


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class BaseHandlers(HandlerCase):
    def base(self, **members: Any) -> Any:
        from ts.torch_handler.base_handler import BaseHandler

        return self.handler(BaseHandler, **members)

    def save_torchscript(self, name: str = "model.pt") -> None:
        import torch

        torch.jit.save(torch.jit.trace(self.net(), torch.zeros(1, 2)), self.path(name))

    def save_eager(self) -> str:
        import torch

        module = "net_%d" % id(self)
        self.write(module + ".py", MODEL)
        torch.save({"layer.weight": self.net().weight.detach()}, self.path("weights.pth"))
        return module + ".py"

    def test_a_torchscript_model_answers(self) -> None:
        self.save_torchscript()
        handler, context = self.base(), self.context(serializedFile="model.pt")
        handler.initialize(context)
        self.assertTrue(handler.initialized)
        self.assertEqual((handler.map_location, str(handler.device)), ("cpu", "cpu"))
        self.assertEqual(handler.handle([[1.0, 2.0]], context), [[1.0, 2.0, 3.0]])
        self.assertEqual(self.seen[0][0], "HandlerTime")

    def test_an_eager_model_answers_with_its_weights(self) -> None:
        handler = self.base()
        context = self.context(serializedFile="weights.pth", modelFile=self.save_eager())
        handler.initialize(context)
        self.assertFalse(handler.model.training)
        self.assertEqual(handler.handle([[1.0, 2.0]], context), [[1.0, 2.0, 3.0]])

    def test_an_eager_model_without_weights_is_created_as_it_is(self) -> None:
        handler = self.base()
        handler.initialize(self.context(modelFile=self.save_eager()))
        self.assertEqual(tuple(handler.model.layer.weight.shape), (3, 2))

    def test_what_is_missing_is_named(self) -> None:
        for model, words in (
            ({}, "neither model.serializedFile nor model.modelFile"),
            ({"serializedFile": "gone.pt"}, "Missing the TorchScript model file gone.pt"),
            ({"serializedFile": "gone.bin"}, "Missing the model file gone.bin"),
            ({"modelFile": "gone.py"}, "Missing the model.py file gone.py"),
        ):
            with self.subTest(words):
                with self.assertRaisesRegex(RuntimeError, words) as caught:
                    self.base().initialize(self.context(**model))
                self.assertIsInstance(caught.exception, FileNotFoundError)

    def test_a_file_of_no_known_kind_says_what_would_be(self) -> None:
        self.write("model.bin", "")
        with self.assertRaisesRegex(
            RuntimeError, "No model weights could be loaded: model.bin is neither .pt, .pt2, .onnx nor .so"
        ):
            self.base().initialize(self.context(serializedFile="model.bin"))

    def test_a_model_file_with_several_classes_is_refused(self) -> None:
        name = self.save_eager()
        with open(self.path(name), "a", encoding="utf-8") as file:
            file.write("\nclass Other:\n    pass\n")
        with self.assertRaisesRegex(ValueError, "Expected only one class as model definition.*Net, Other"):
            self.base().initialize(self.context(modelFile=name))

    def test_explanations_and_descriptions_go_their_own_way(self) -> None:
        self.save_torchscript()
        insights = lambda self, tensor, raw, target: [[tensor.shape[0], raw, target]]  # noqa: E731
        handler = self.base(
            preprocess=lambda self, data: self.model.weight,
            get_insights=insights,
            describe_handle=lambda self: {"a": 1},
        )
        context = self.context(serializedFile="model.pt", headers={"explain": "True"})
        handler.initialize(context)
        self.assertEqual(handler.handle([{"body": "x", "target": 2}], context), [[3, "x", 2]])
        self.assertTrue(handler.explain)
        context = self.context(serializedFile="model.pt", headers={"describe": "True"})
        self.assertEqual(handler.handle([{}], context), [{"a": 1}])

    def test_a_subclass_that_forgets_its_base_constructor_works(self) -> None:
        self.save_torchscript()
        handler = self.base(__init__=lambda self: None)
        context = self.context(serializedFile="model.pt", config={"handler": {"profile": True}})
        handler.initialize(context)
        self.assertEqual(handler.handle([[0.0, 1.0]], context), [[0.0, 1.0, 1.0]])
        names = [report[0] for report in self.seen]
        self.assertEqual(
            names, ["ts_handler_preprocess", "ts_handler_inference", "ts_handler_postprocess", "HandlerTime"]
        )

    def test_a_label_mapping_of_the_archive_is_loaded(self) -> None:
        self.save_torchscript()
        self.write("index_to_name.json", '{"0": ["n0", "cat"]}')
        handler = self.base()
        handler.initialize(self.context(serializedFile="model.pt"))
        self.assertEqual(handler.mapping, {"0": "cat"})

    def test_compile_options(self) -> None:
        from ts.torch_handler.compile_options import compile_options, is_aot_compiled

        self.assertIsNone(compile_options({}))
        self.assertIsNone(compile_options(None))
        self.assertEqual(compile_options({"pt2": "inductor"}), {"backend": "inductor"})
        self.assertEqual(compile_options({"pt2": {"backend": "eager", "mode": "x"}}), {"backend": "eager", "mode": "x"})
        config = {"pt2": {"compile": {"enable": True, "backend": "eager"}}}
        self.assertEqual(compile_options(config), {"backend": "eager"})
        self.assertEqual(config, {"pt2": {"compile": {"backend": "eager"}}})
        self.assertIsNone(compile_options({"pt2": {"compile": {"enable": False}}}))
        self.assertIsNone(compile_options({"pt2": {"export": {"aot_compile": True}}}))
        self.assertIsNone(compile_options({"pt2": "no such backend"}))
        with self.assertRaisesRegex(ValueError, "pt2 should be str or dict"):
            compile_options({"pt2": 5})
        self.assertTrue(is_aot_compiled({"pt2": {"export": {"aot_compile": True}}}))
        self.assertFalse(is_aot_compiled({"pt2": "inductor"}))

    def test_a_model_that_cannot_be_compiled_runs_as_it_is(self) -> None:
        self.save_torchscript()
        handler, context = (
            self.base(),
            self.context(serializedFile="model.pt", config={"pt2": {"backend": "eager", "no": 1}}),
        )
        handler.initialize(context)
        self.assertEqual(handler.handle([[1.0, 2.0]], context), [[1.0, 2.0, 3.0]])

    def test_the_profiler_writes_a_trace(self) -> None:
        from torch.profiler import tensorboard_trace_handler

        self.save_torchscript()
        handler, context = self.base(), self.context(serializedFile="model.pt")
        handler.initialize(context)
        handler.profiler_args = {"on_trace_ready": tensorboard_trace_handler(self.path("trace"))}
        os.environ["ENABLE_TORCH_PROFILER"] = "1"
        self.addCleanup(os.environ.pop, "ENABLE_TORCH_PROFILER")
        self.assertEqual(handler.handle([[1.0, 2.0]], context), [[1.0, 2.0, 3.0]])
        self.assertEqual(len(os.listdir(self.path("trace"))), 1)


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class InAWorker(unittest.TestCase):
    HANDLER = """
        import torch
        from ts.torch_handler.base_handler import BaseHandler

        class Handler(BaseHandler):
            def initialize(self, context):
                %s
                super().initialize(context)
            def preprocess(self, data):
                return torch.tensor([row["body"] for row in data], dtype=torch.float32)
            def postprocess(self, data):
                return list(data)
    """
    MANIFEST = json.dumps({"model": {"modelName": "tested", "serializedFile": "model.pt"}})

    def test_a_tensor_is_answered_as_a_saved_tensor(self) -> None:
        import torch

        save = "torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), 'model.pt')"
        with WorkerDriver({"handler.py": self.HANDLER % save, "MAR-INF/MANIFEST.json": self.MANIFEST}) as worker:
            ready = worker.load()
            self.assertEqual(ready.header["type"], "ready", ready.header)
            kind, value, _ = worker.ask({"inputs": {"body": ("application/json", b"[1, 2.5]")}})[0]
        self.assertEqual(kind, "binary")
        self.assertEqual(torch.load(io.BytesIO(value)).tolist(), [1.0, 2.5])

    def test_missing_weights_have_their_own_code(self) -> None:
        with WorkerDriver({"handler.py": self.HANDLER % "pass", "MAR-INF/MANIFEST.json": self.MANIFEST}) as worker:
            header = worker.load().header
            self.assertEqual(header["code"], "MODEL_FILE_NOT_FOUND")
            self.assertIn("ModelFileMissing: Missing the TorchScript model file model.pt.", header["message"])

    def test_a_built_in_handler_is_found_by_its_name(self) -> None:
        manifest = json.dumps({"model": {"modelName": "tested"}})
        with WorkerDriver({"MAR-INF/MANIFEST.json": manifest}) as worker:
            header = worker.load("base_handler").header
            self.assertEqual(header["code"], "MODEL_FILE_NOT_FOUND")
            self.assertIn("the manifest names neither", header["message"])


@unittest.skipUnless(HAS_TORCH and HAS_TORCHVISION, "torchvision or Pillow is not installed")
class ImageClassifiers(HandlerCase):
    def setUp(self) -> None:
        super().setUp()
        import torch
        from PIL import Image

        net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 6))
        with torch.no_grad():
            net[2].weight.zero_()
            net[2].bias.copy_(torch.arange(6.0))
        torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 224, 224)), self.path("model.pt"))
        self.write("index_to_name.json", '{"5": "five", "4": ["n4", "four"]}')
        file = io.BytesIO()
        Image.new("RGB", (300, 260), (200, 30, 30)).save(file, "PNG")
        self.image = file.getvalue()

    def classifier(self) -> Any:
        from ts.torch_handler.image_classifier import ImageClassifier

        self.model_context = self.context(serializedFile="model.pt")
        handler = ImageClassifier()
        handler.initialize(self.model_context)
        return handler

    def test_images_as_bytes_and_as_base64_are_classified(self) -> None:
        handler = self.classifier()
        handler.set_max_result_classes(2)
        rows = [{"data": bytearray(self.image)}, {"body": base64.b64encode(self.image).decode()}]
        first, second = handler.handle(rows, self.model_context)
        self.assertEqual(list(first), ["five", "four"])
        self.assertEqual(first, second)
        self.assertGreater(first["five"], first["four"])

    def test_five_classes_are_named_unless_told_otherwise(self) -> None:
        handler = self.classifier()
        self.assertEqual(handler.get_max_result_classes(), 5)
        (answer,) = handler.handle([{"body": self.image}], self.model_context)
        self.assertEqual(list(answer), ["five", "four", "3", "2", "1"])

    def test_the_limit_of_pixels_is_lifted_when_the_server_says_so(self) -> None:
        from PIL import Image

        self.addCleanup(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        self.classifier()
        self.assertIsNotNone(Image.MAX_IMAGE_PIXELS)
        context = self.context(serializedFile="model.pt")
        context.system_properties["limit_max_image_pixels"] = False
        from ts.torch_handler.image_classifier import ImageClassifier

        ImageClassifier().initialize(context)
        self.assertIsNone(Image.MAX_IMAGE_PIXELS)


if __name__ == "__main__":
    unittest.main()
