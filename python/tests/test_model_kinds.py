"""The kinds of models and services around torch that are not installed everywhere: captum, ONNX, exported and compiled models.

Where the real package is missing, a stand-in with its interface shows what it is asked for; the tests with a newer torch itself are
skipped by name on an older one.
"""

from __future__ import annotations

import sys
import types
import unittest
import zipfile
from typing import Any, Dict
from unittest import mock

from torch_case import HAS_TORCH, HAS_TORCHVISION, TorchCase, has_torch
from ts.utils.util import PredictionException


def module(name: str, **members: Any) -> Any:
    made: Any = types.ModuleType(name)
    made.__dict__.update(members)
    return made


def fake_captum() -> Dict[str, Any]:
    """Attributions that tell what they were asked for."""

    class IntegratedGradients:
        def __init__(self, model: Any) -> None:
            self.model = model

        def attribute(self, tensor: Any, target: Any, n_steps: int) -> Any:
            import torch

            targets = target if isinstance(target, list) else [target] * len(tensor)
            return torch.tensor([[float(each), float(n_steps)] for each in targets])

    class LayerIntegratedGradients:
        def __init__(self, model: Any, layer: Any) -> None:
            assert layer is model.embedding

        def attribute(self, indices: Any, target: Any, additional_forward_args: Any) -> Any:
            import torch

            assert additional_forward_args[0].tolist() == [0]
            return torch.ones(len(indices), 4) * (target + 1)

    attr = module(
        "captum.attr", IntegratedGradients=IntegratedGradients, LayerIntegratedGradients=LayerIntegratedGradients
    )
    return {"captum": module("captum", attr=attr), "captum.attr": attr}


@unittest.skipUnless(HAS_TORCHVISION, "torchvision or Pillow is not installed")
class Explanations(TorchCase):
    def classifier(self, requests: int = 1) -> Any:
        import torch
        from ts.torch_handler.image_classifier import ImageClassifier

        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 6))
        torch.jit.save(torch.jit.trace(network, torch.zeros(1, 3)), self.path("model.pt"))
        self.model_context = self.context(requests=requests, headers={"explain": "True"}, serializedFile="model.pt")
        return self.initialized(ImageClassifier, self.model_context)

    def explain(self, *rows: Dict[str, Any]) -> Any:
        with mock.patch.dict(sys.modules, fake_captum()):
            handler = self.classifier(len(rows))
            return handler.handle([dict({"data": [1.0, 2.0, 3.0]}, **row) for row in rows], self.model_context)

    def test_a_request_says_which_class_it_wants_explained(self) -> None:
        for target, number in ((3, 3.0), (b"4", 4.0), (bytearray(b"5"), 5.0), ("2", 2.0), (None, 0.0)):
            self.assertEqual(self.explain({"target": target}), [[number, 15.0]])

    def test_requests_of_one_batch_may_want_different_classes(self) -> None:
        self.assertEqual(self.explain({"target": 1}, {"target": b"2"}, {}), [[1.0, 15.0], [2.0, 15.0], [0.0, 15.0]])

    def test_a_target_that_is_no_class_is_the_clients_mistake(self) -> None:
        with self.assertRaises(PredictionException) as caught:
            self.explain({"target": "cat"})
        self.assertEqual(
            (caught.exception.error_code, caught.exception.message),
            (400, "target must be the number of a class, not 'cat'"),
        )

    def test_without_captum_the_client_learns_what_is_missing(self) -> None:
        handler = self.classifier()
        with mock.patch.dict(sys.modules, {"captum": None, "captum.attr": None}):
            with self.assertRaises(PredictionException) as caught:
                handler.handle([{"data": [1.0, 2.0, 3.0]}], self.model_context)
        self.assertIsInstance(caught.exception, ImportError)
        self.assertEqual(caught.exception.error_code, 501)
        self.assertIn("Explanations need captum: install it for the worker's Python", caught.exception.message)

    def test_a_handler_that_explains_nothing_says_so(self) -> None:
        from ts.torch_handler.base_handler import BaseHandler

        self.classifier()
        handler = self.initialized(BaseHandler, self.model_context)
        with self.assertRaisesRegex(PredictionException, "Tested explains nothing: it has no get_insights. : 501"):
            handler.handle([[1.0, 2.0, 3.0]], self.model_context)

    def test_texts_are_explained_each_by_itself(self) -> None:
        import torch
        from ts.torch_handler.text_classifier import TextClassifier

        handler = type("Tested", (TextClassifier,), {})()
        handler.device = torch.device("cpu")
        handler.source_vocab = {"a": 0, "b": 1, "c": 2, "a b": 3}
        handler.model = module("model", embedding="layer")
        from ts.torch_handler.explanations import LazyAttribution

        handler.lig = LazyAttribution("LayerIntegratedGradients", lambda: (handler.model, handler.model.embedding))
        with mock.patch.dict(sys.modules, fake_captum()):
            rows = [{"data": "a b", "target": b"1"}, {"data": "c"}]
            context = self.context(requests=2, headers={"explain": "True"})
            one, two = handler.handle(rows, context)
        self.assertEqual((one["words"], two["words"]), (["a", "b"], ["c"]))
        self.assertEqual([len(each["importances"]) for each in (one, two)], [3, 1])
        self.assertAlmostEqual(sum(value * value for value in one["importances"]), 1.0, places=5)


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class OnnxSessions(TorchCase):
    class Session:
        def __init__(self, *outputs: Any) -> None:
            self.outputs = outputs

        def get_inputs(self) -> Any:
            return [types.SimpleNamespace(name="x"), types.SimpleNamespace(name="mask")]

        def run(self, names: Any, feed: Dict[str, Any]) -> Any:
            self.feed = feed
            return [feed["x"] * factor for factor in self.outputs]

    def handler(self, *outputs: Any) -> Any:
        from ts.torch_handler import base_handler

        runtime = module(
            "onnxruntime",
            SessionOptions=lambda: module("options"),
            InferenceSession=lambda path, providers, sess_options: (
                setattr(self, "loaded", (path, providers, sess_options)) or self.Session(*outputs)
            ),
        )
        self.write("model.onnx", "")
        with mock.patch.multiple(base_handler, _onnxruntime=runtime, ONNX_AVAILABLE=True):
            return self.initialized(base_handler.BaseHandler, self.context(serializedFile="model.onnx"))

    def test_an_onnx_model_answers_through_the_default_steps(self) -> None:
        handler = self.handler(2)
        self.assertEqual(handler.handle([[1.0, 2.0]], self.context()), [[2.0, 4.0]])
        path, providers, options = self.loaded
        self.assertEqual((path, providers), (self.path("model.onnx"), ["CPUExecutionProvider"]))
        self.assertGreaterEqual(options.intra_op_num_threads, 1)

    def test_several_inputs_and_outputs_keep_their_places(self) -> None:
        import torch

        handler = self.handler(1, 3)
        x, mask = torch.ones(1, 2), torch.zeros(1)
        for data in ((x, mask), {"mask": mask, "x": x}):
            outputs = handler.inference(data)
            self.assertEqual([output.tolist() for output in outputs], [[[1.0, 1.0]], [[3.0, 3.0]]])
            self.assertEqual(sorted(handler.model.feed), ["mask", "x"])

    def test_without_onnxruntime_an_onnx_model_says_what_it_needs(self) -> None:
        from ts.torch_handler import base_handler

        self.write("model.onnx", "")
        with mock.patch.object(base_handler, "ONNX_AVAILABLE", False):
            with self.assertRaisesRegex(RuntimeError, "model.onnx needs onnxruntime, which is not installed"):
                self.initialized(base_handler.BaseHandler, self.context(serializedFile="model.onnx"))


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class ExportedModels(TorchCase):
    def load(self, name: str, config: Any = None) -> Any:
        from ts.torch_handler.base_handler import BaseHandler

        return self.initialized(BaseHandler, self.context(config, serializedFile=name))

    def package(self, *names: str) -> None:
        with zipfile.ZipFile(self.path("model.pt2"), "w") as archive:
            for name in names:
                archive.writestr(name, "")

    def test_a_program_of_torch_export_is_loaded_as_a_module(self) -> None:
        self.package("model/models/model.json")
        loaded = module("program", module=lambda: lambda data: data * 2)
        with mock.patch.dict(sys.modules, {"torch.export": module("torch.export", load=lambda path: loaded)}):
            handler = self.load("model.pt2")
        self.assertEqual(handler.handle([[1.0, 2.0]], self.context()), [[2.0, 4.0]])

    def test_a_package_of_compiled_code_is_loaded_by_inductor(self) -> None:
        self.package("model/data/aotinductor/model/code.so")
        seen = []
        inductor = module(
            "torch._inductor", aoti_load_package=lambda path: seen.append(path) or (lambda data: data * 3)
        )
        with mock.patch.dict(sys.modules, {"torch._inductor": inductor}):
            handler = self.load("model.pt2")
        self.assertEqual(handler.handle([[1.0]], self.context()), [[3.0]])
        self.assertEqual(seen, [self.path("model.pt2")])

    def test_a_compiled_library_is_loaded_when_the_configuration_says_so(self) -> None:
        import torch
        from ts.torch_handler import base_handler

        self.write("model.so", "")
        config = {"pt2": {"export": {"aot_compile": True}}}
        exporter = module("torch._export", aot_load=lambda path, device: lambda data: data * len(device))
        with mock.patch.object(base_handler, "PT230_AVAILABLE", True):
            with mock.patch.object(torch, "_export", exporter, create=True):
                handler = self.load("model.so", config)
            self.assertEqual(handler.handle([[1.0]], self.context()), [[3.0]])
            with self.assertRaisesRegex(
                RuntimeError, "model.so needs torch 2.3 or newer and pt2.export.aot_compile: true"
            ):
                self.load("model.so")

    def test_a_torch_that_is_too_old_for_a_model_says_which_one_is_needed(self) -> None:
        for name, missing, version in (
            ("x/aotinductor/y", "torch._inductor", "2.6"),
            ("models/x", "torch.export", "2.1"),
        ):
            self.package(name)
            with mock.patch.dict(sys.modules, {missing: module(missing)}):
                with self.assertRaisesRegex(
                    RuntimeError, "model.pt2 needs torch %s or newer; torch .* is installed" % version
                ):
                    self.load("model.pt2")

    def test_compiling_takes_the_options_of_the_configuration(self) -> None:
        import torch
        from ts.torch_handler import base_handler

        torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), self.path("model.pt"))
        seen = []
        compiler = lambda model, **options: seen.append(options) or (lambda data: data * 4)  # noqa: E731
        config = {"pt2": {"compile": {"enable": True, "backend": "inductor", "mode": "reduce-overhead"}}}
        with mock.patch.object(base_handler, "PT2_AVAILABLE", True):
            with mock.patch.object(torch, "compile", compiler, create=True):
                handler = self.load("model.pt", config)
        self.assertEqual(handler.handle([[1.0]], self.context()), [[4.0]])
        self.assertEqual(seen, [{"backend": "inductor", "mode": "reduce-overhead"}])

    # --- with the real thing ----------------------------------------------------------------------------------------

    def doubling(self) -> Any:
        import torch

        class Doubling(torch.nn.Module):
            def forward(self, data: Any) -> Any:
                return data * 2

        return Doubling()

    @unittest.skipUnless(has_torch(2, 0), "torch.compile came with torch 2.0")
    def test_torch_compile_answers(self) -> None:
        import torch

        torch.jit.save(torch.jit.trace(self.doubling(), torch.zeros(1, 2)), self.path("model.pt"))
        handler = self.load("model.pt", {"pt2": {"compile": {"enable": True, "backend": "eager"}}})
        self.assertEqual(handler.handle([[1.0, 2.0]], self.context()), [[2.0, 4.0]])

    @unittest.skipUnless(has_torch(2, 1), "torch.export came with torch 2.1")
    def test_torch_export_answers(self) -> None:
        import torch

        torch.export.save(torch.export.export(self.doubling(), (torch.zeros(1, 2),)), self.path("model.pt2"))
        self.assertEqual(self.load("model.pt2").handle([[1.0, 2.0]], self.context()), [[2.0, 4.0]])

    @unittest.skipUnless(has_torch(2, 6), "packages of AOTInductor came with torch 2.6")
    def test_aot_inductor_answers(self) -> None:
        import torch

        exported = torch.export.export(self.doubling(), (torch.zeros(1, 2),))
        torch._inductor.aoti_compile_and_package(exported, package_path=self.path("model.pt2"))
        self.assertEqual(self.load("model.pt2").handle([[1.0, 2.0]], self.context()), [[2.0, 4.0]])


if __name__ == "__main__":
    unittest.main()
