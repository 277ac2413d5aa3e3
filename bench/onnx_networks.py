"""The networks of the bench's ONNX part: random weights, real sizes. Each lands in a model folder of its own."""

import json
import sys
from pathlib import Path

import torch
import torchvision
from torch import nn


def export(folder, name, network, sample):
    (folder / name).mkdir()
    torch.onnx.export(
        network.eval(),
        sample,
        str(folder / name / "network.onnx"),
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
        opset_version=13,
    )
    (folder / name / "MAR-INF").mkdir()
    model = {"modelName": name, "serializedFile": "network.onnx", "configFile": "model-config.yaml"}
    (folder / name / "MAR-INF" / "MANIFEST.json").write_text(json.dumps({"runtime": "onnx", "model": model}))
    # As many threads as the bare loop has that it is compared with.
    (folder / name / "model-config.yaml").write_text("onnx:\n  intraOpThreads: 1\n")


def main(folder):
    torch.manual_seed(20)
    torch.set_num_threads(1)
    mlp = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    export(folder, "mlp", mlp, torch.zeros(1, 784))
    export(folder, "resnet18", torchvision.models.resnet18(), torch.zeros(1, 3, 224, 224))


main(Path(sys.argv[1]))
