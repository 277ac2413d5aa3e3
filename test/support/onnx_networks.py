"""Real networks as ONNX files, and what torchvision makes of an image: written by torch for test/integration/onnx.test.ts."""

import json
import sys
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms


class TwoInputs(nn.Module):
    """An LSTM that takes its first hidden state, and answers with its sequence and both last states."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)

    def forward(self, steps, hidden):
        sequence, (last_hidden, last_cell) = self.lstm(steps, (hidden, hidden * 0.5))
        return sequence, last_hidden, last_cell


class MeanEmbedding(nn.Module):
    """The mean of the vectors of some words, and the words themselves."""

    def __init__(self):
        super().__init__()
        self.vectors = nn.Embedding(100, 16)

    def forward(self, ids):
        return self.vectors(ids).mean(dim=1), ids * 2


def export(folder, name, network, inputs, input_names, output_names, axes):
    torch.onnx.export(
        network.eval(),
        inputs,
        str(folder / (name + ".onnx")),
        input_names=input_names,
        output_names=output_names,
        dynamic_axes=axes,
        opset_version=13,
    )


def main(folder):
    torch.manual_seed(20)
    torch.set_num_threads(1)
    batch = {0: "batch"}
    mlp = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    export(folder, "mlp", mlp, torch.zeros(1, 784), ["x"], ["y"], {"x": batch, "y": batch})
    picture = torch.zeros(1, 3, 224, 224)
    resnet = torchvision.models.resnet18()
    export(folder, "resnet18", resnet, picture, ["image"], ["scores"], {"image": batch, "scores": batch})
    squeezenet = torchvision.models.squeezenet1_1()
    export(folder, "squeezenet", squeezenet, picture, ["image"], ["scores"], {"image": batch, "scores": batch})
    steps, states = {0: "batch", 1: "steps"}, {1: "batch"}
    export(
        folder,
        "lstm",
        TwoInputs(),
        (torch.zeros(2, 5, 8), torch.zeros(1, 2, 16)),
        ["steps", "hidden"],
        ["sequence", "last_hidden", "last_cell"],
        {"steps": steps, "hidden": states, "sequence": steps, "last_hidden": states, "last_cell": states},
    )
    words = {0: "batch", 1: "words"}
    ids = torch.zeros(1, 3, dtype=torch.long)
    export(folder, "embedding", MeanEmbedding(), (ids,), ["ids"], ["mean", "twice"], {"ids": words, "mean": batch, "twice": words})
    pictures(folder)


def pictures(folder):
    noise = torch.randint(0, 256, (12, 17, 3), dtype=torch.uint8).numpy()
    image = Image.fromarray(noise).resize((340, 253), Image.BICUBIC)
    image.save(folder / "picture.png")
    image.save(folder / "picture.jpg", quality=92)
    image.save(folder / "picture.webp", lossless=True)
    normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    classic = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalize])
    exact = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    expected = {}
    for kind in ("png", "jpg", "webp"):
        opened = Image.open(folder / ("picture." + kind)).convert("RGB")
        expected["classic." + kind] = classic(opened).flatten().tolist()
        expected["exact." + kind] = exact(opened).flatten().tolist()
    opened = Image.open(folder / "picture.png").convert("L")
    for mode in ("BOX", "BILINEAR", "BICUBIC", "LANCZOS", "NEAREST"):
        for width, height in ((60, 41), (500, 300)):
            resized = opened.resize((width, height), getattr(Image, mode))
            expected["%s.%d" % (mode.lower(), width)] = list(resized.getdata())
    expected["grey"] = list(opened.getdata())
    (folder / "expected.json").write_text(json.dumps(expected))


main(Path(sys.argv[1]))
