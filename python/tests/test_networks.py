"""The default handlers with real networks answer with the numbers that torch gives without them, in batches and alone."""

from __future__ import annotations

import importlib
import io
import json
import math
import os
import shutil
import unittest
from typing import Any, Callable, Dict, List

from torch_case import HAS_TORCH, HAS_TORCHVISION, TorchCase
from worker_driver import WorkerDriver

TOLERANCE = 1e-5

RESNET = """
from torchvision.models.resnet import BasicBlock, ResNet

class ResNet18(ResNet):
    def __init__(self):
        super().__init__(BasicBlock, [2, 2, 2, 2])
"""
SQUEEZENET = """
from torchvision.models.squeezenet import SqueezeNet

class SmallSqueezeNet(SqueezeNet):
    def __init__(self):
        super().__init__("1_1")
"""
CLASSIFIERS = {"resnet18": RESNET, "squeezenet": SQUEEZENET}

TEXT_MODEL = """
from torch import nn

class TextModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(12, 8, sparse=False)
        self.fc = nn.Linear(8, 3)

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))
"""


def picture(width: int, height: int, seed: int) -> bytes:
    from PIL import Image

    image = Image.new("RGB", (width, height))
    image.putdata(
        [
            ((x * 7 + seed * 31) % 256, (y * 5 + seed * 17) % 256, (x * y + seed) % 256)
            for y in range(height)
            for x in range(width)
        ]
    )
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class NetworkCase(TorchCase):
    def assert_close(self, one: Any, other: Any) -> None:
        """The same structure with the same numbers."""
        if isinstance(one, dict):
            self.assertEqual(list(one), list(other))
            for key in one:
                self.assert_close(one[key], other[key])
        elif isinstance(one, (list, tuple)):
            self.assertEqual(len(one), len(other))
            for mine, theirs in zip(one, other):
                self.assert_close(mine, theirs)
        elif isinstance(one, float):
            self.assertTrue(math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE), (one, other))
        else:
            self.assertEqual(one, other)

    def pixels(self, image_bytes: bytes, processing: Callable[[Any], Any]) -> Any:
        from PIL import Image

        return processing(Image.open(io.BytesIO(image_bytes)))


@unittest.skipUnless(HAS_TORCHVISION, "torchvision or Pillow is not installed")
class Classifiers(NetworkCase):
    def network(self, name: str) -> Any:
        """The network with its seeded weights; its two forms are files in the folder."""
        import torch

        self.write(name + "_model.py", CLASSIFIERS[name])
        module: Dict[str, Any] = {"__name__": name}
        exec(CLASSIFIERS[name], module)
        torch.manual_seed(7)
        network = next(each for each in module.values() if isinstance(each, type) and each.__module__ == name)()
        network.eval()
        torch.save(network.state_dict(), self.path(name + ".pth"))
        torch.jit.save(torch.jit.trace(network, torch.zeros(1, 3, 224, 224)), self.path(name + ".pt"))
        return network

    def directly(self, network: Any, images: List[bytes]) -> List[Dict[str, float]]:
        import torch
        from ts.torch_handler.image_classifier import ImageClassifier

        with torch.no_grad():
            answers = []
            for image in images:
                scores = torch.softmax(network(self.pixels(image, ImageClassifier.image_processing).unsqueeze(0)), 1)[0]
                best = scores.argsort(descending=True)[:5]
                answers.append({str(int(number)): float(scores[number]) for number in best})
            return answers

    def test_resnet_18_and_squeezenet_as_torchscript_and_eager(self) -> None:
        from ts.torch_handler.image_classifier import ImageClassifier

        images = [picture(300, 260, 1), picture(224, 224, 2), picture(400, 300, 3)]
        rows = [{"data": bytearray(images[0])}, {"body": images[1]}, {"body": bytearray(images[2])}]
        for name in CLASSIFIERS:
            expected = self.directly(self.network(name), images)
            for model in (
                {"serializedFile": name + ".pt"},
                {"serializedFile": name + ".pth", "modelFile": name + "_model.py"},
            ):
                with self.subTest(name, **model):
                    context = self.context(requests=3, **model)
                    handler = self.initialized(ImageClassifier, context)
                    together, alone = self.batched_and_alone(handler, rows, context)
                    self.assert_close(together, expected)
                    self.assert_close(alone, expected)

    def test_in_a_worker_the_built_in_handler_needs_no_file_but_the_weights(self) -> None:
        network = self.network("resnet18")
        images = [picture(256, 256, 4), picture(300, 280, 5)]
        manifest = json.dumps({"model": {"modelName": "resnet", "serializedFile": "resnet18.pt"}})
        with WorkerDriver({"MAR-INF/MANIFEST.json": manifest}) as worker:
            shutil.copy(self.path("resnet18.pt"), os.path.join(worker.model_dir, "resnet18.pt"))
            self.assertEqual(worker.load("image_classifier", batchSize=2).header["type"], "ready")
            answers = worker.ask(*[{"inputs": {"body": ("image/png", image)}} for image in images])
        self.assert_close([json.loads(answer[1]) for answer in answers], self.directly(network, images))


@unittest.skipUnless(HAS_TORCHVISION, "torchvision or Pillow is not installed")
class Segmentation(NetworkCase):
    def test_a_segmentation_network_gives_class_and_probability_of_each_pixel(self) -> None:
        import torch
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large
        from ts.torch_handler.image_segmenter import ImageSegmenter

        torch.manual_seed(7)
        network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4).eval()
        torch.jit.save(torch.jit.script(network), self.path("model.pt"))
        images = [picture(300, 260, 1), picture(260, 300, 2)]
        context = self.context(requests=2, serializedFile="model.pt")
        handler = self.initialized(ImageSegmenter, context)
        together, alone = self.batched_and_alone(handler, [{"body": image} for image in images], context)
        for answer, lone, image in zip(together, alone, images):
            with torch.no_grad():
                tensor = self.pixels(image, ImageSegmenter.image_processing).unsqueeze(0)
                scores = torch.softmax(network(tensor)["out"][0], dim=0)
            for given in (torch.tensor(answer), torch.tensor(lone)):
                self.assertEqual(given.shape, (224, 224, 2))
                chosen = scores.gather(0, given[..., 0].long().unsqueeze(0))[0]
                self.assertLess(float((chosen - given[..., 1]).abs().max()), TOLERANCE)
                self.assertLess(float((scores.max(0).values - given[..., 1]).abs().max()), TOLERANCE)


@unittest.skipUnless(HAS_TORCHVISION, "torchvision or Pillow is not installed")
class Detection(NetworkCase):
    MODEL = """
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone

class Detector(FasterRCNN):
    def __init__(self):
        backbone = mobilenet_backbone(backbone_name="mobilenet_v3_large", weights=None, fpn=True, trainable_layers=6)
        anchors = AnchorGenerator(((16, 32, 64),) * 3, ((0.5, 1.0, 2.0),) * 3)
        super().__init__(
            backbone, num_classes=5, min_size=128, max_size=256, rpn_anchor_generator=anchors, box_detections_per_img=8
        )
"""

    def test_a_detection_network_answers_images_of_several_sizes(self) -> None:
        import torch
        from ts.torch_handler.object_detector import ObjectDetector

        self.write("detector_model.py", self.MODEL)
        torch.manual_seed(7)
        # Imported rather than executed: TorchScript reads the source of the class.
        network = importlib.import_module("detector_model").Detector().eval()
        torch.save(network.state_dict(), self.path("detector.pth"))
        torch.jit.save(torch.jit.script(network), self.path("detector.pt"))
        self.write("index_to_name.json", '{"1": "cat", "2": ["n2", "dog"]}')
        names = {1: "cat", 2: "dog"}
        # Weights that nobody has trained are sure of nothing.
        threshold = 0.05
        images = [picture(160, 120, 1), picture(128, 128, 2), picture(160, 120, 3)]

        def directly(*chosen: int) -> Any:
            with torch.no_grad():
                found = network([self.pixels(images[row], ObjectDetector.image_processing) for row in chosen])
            return [
                [
                    {names.get(int(label), str(int(label))): box.tolist(), "score": float(score)}
                    for box, label, score in zip(each["boxes"], each["labels"], each["scores"])
                    if float(score) >= threshold
                ]
                for each in found
            ]

        self.assertTrue(all(directly(0, 1, 2)))
        for model in (
            {"serializedFile": "detector.pth", "modelFile": "detector_model.py"},
            {"serializedFile": "detector.pt"},
        ):
            context = self.context(requests=3, **model)
            handler = self.initialized(ObjectDetector, context, threshold=threshold)
            for rows in ([0, 1, 2], [0, 2]):
                with self.subTest(rows=rows, **model):
                    together, alone = self.batched_and_alone(handler, [{"body": images[row]} for row in rows], context)
                    # The network pads the images of a batch to one size, so a batch has numbers of its own.
                    self.assert_close(together, directly(*rows))
                    self.assert_close(alone, [directly(row)[0] for row in rows])

    def test_what_is_not_sure_enough_is_left_out(self) -> None:
        import torch
        from ts.torch_handler.object_detector import ObjectDetector

        handler = ObjectDetector()
        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0]])
        found = {"boxes": boxes, "labels": torch.tensor([3, 4]), "scores": torch.tensor([0.5, 0.4])}
        self.assertEqual(handler.postprocess([found]), [[{"3": [0.0, 0.0, 1.0, 1.0], "score": 0.5}]])


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class Texts(NetworkCase):
    WORDS = ["it", "is", "good", "not", "bad", "it is", "is good", "is not", "not bad", "not good", "do", "do not"]

    def setUp(self) -> None:
        super().setUp()
        import torch

        module: Dict[str, Any] = {}
        exec(TEXT_MODEL, module)
        torch.manual_seed(7)
        self.network = module["TextModel"]()
        self.write("text_model.py", TEXT_MODEL)
        torch.save(self.network.state_dict(), self.path("text.pth"))
        self.vocabulary = {word: number for number, word in enumerate(self.WORDS)}
        torch.save(self.vocabulary, self.path("source_vocab.pt"))
        self.write("index_to_name.json", '{"0": "sad", "1": "calm", "2": "glad"}')

    def classifier(self, requests: int, **more: Any) -> Any:
        from ts.torch_handler.text_classifier import TextClassifier

        self.model_context = self.context(
            requests=requests, serializedFile="text.pth", modelFile="text_model.py", **more
        )
        return self.initialized(TextClassifier, self.model_context)

    def directly(self, *grams: str) -> Dict[str, float]:
        import torch

        with torch.no_grad():
            indices = torch.tensor([self.vocabulary[gram] for gram in grams])
            scores = torch.softmax(self.network(indices, torch.tensor([0])), 1)[0].tolist()
        return dict(zip(("sad", "calm", "glad"), scores))

    ROWS = [{"data": b"<b>It's</b> good!"}, {"body": "it is NOT bad"}, {"body": bytearray("is gööd".encode())}]

    def test_an_embedding_bag_classifies_texts_together_and_alone(self) -> None:
        expected = [
            self.directly("it", "is", "good", "it is", "is good"),
            self.directly("it", "is", "not", "bad", "it is", "is not", "not bad"),
            self.directly("is", "good", "is good"),
        ]
        handler = self.classifier(3)
        together, alone = self.batched_and_alone(handler, self.ROWS, self.model_context)
        self.assert_close(together, expected)
        self.assert_close(alone, expected)

    def test_the_parts_of_one_text_are_those_that_subclasses_expect(self) -> None:
        tensor, tokens = self.classifier(1).preprocess(self.ROWS[:1])
        self.assertEqual(tensor.tolist(), [0, 1, 2, 5, 6])
        self.assertEqual(tokens, ["it", "is", "good"])

    def test_a_vocabulary_can_be_named_and_a_missing_one_is_told(self) -> None:
        os.rename(self.path("source_vocab.pt"), self.path("words.pt"))
        handler = self.classifier(1, sourceVocab=self.path("words.pt"))
        self.assertEqual(handler.source_vocab, self.vocabulary)
        with self.assertRaisesRegex(Exception, "^Missing the source_vocab file"):
            self.classifier(1)

    def test_text_is_cleaned_step_by_step(self) -> None:
        from ts.torch_handler.text_handler import TextHandler

        handler = type("Tested", (TextHandler,), {})()
        self.assertEqual(
            handler._expand_contractions("I'm sure they can't've. Don't!"), "I am sure they cannotve. Do not!"
        )
        self.assertEqual(handler._remove_accented_characters("gööd naïve"), "good naive")
        self.assertEqual(handler._remove_html_tags("<p>a</p>&amp;"), "a")
        self.assertEqual(handler._remove_punctuation("a, (b)!"), "a b")
        self.assertEqual(handler._remove_puncutation("a."), "a")
        self.assertEqual(handler.get_word_token(["\u0120hello", "you"]), ["hello", "you"])


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class Tensors(NetworkCase):
    def test_the_handler_of_tensors_takes_and_gives_what_torch_saves(self) -> None:
        import torch
        from ts.torch_handler.densenet_handler import DenseNetHandler

        torch.jit.save(torch.jit.trace(torch.nn.Flatten(), torch.zeros(1, 2, 2)), self.path("model.pt"))
        context = self.context(requests=2, serializedFile="model.pt")
        handler = self.initialized(DenseNetHandler, context)
        rows = []
        for value in (1.0, 2.0):
            file = io.BytesIO()
            torch.save(torch.full((2, 2), value), file)
            rows.append({"body": bytearray(file.getvalue())})
        together, alone = self.batched_and_alone(handler, rows, context)
        expected = [[[1.0] * 4], [[2.0] * 4]]
        self.assertEqual([tensor.tolist() for tensor in together], expected)
        self.assertEqual([tensor.tolist() for tensor in alone], expected)


if __name__ == "__main__":
    unittest.main()
