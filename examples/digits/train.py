"""Trains the digits network and writes everything here that is computed from the data.

Needs torch and scikit-learn (Debian: python3-torch python3-sklearn). The seed fixes the weights, the shuffling and the
distortions, and one thread computes, so the same libraries on the same kind of machine write the same bytes again.
Serving the model needs none of this; evaluate.py checks the result without scikit-learn.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent

# The last ones: the data set seems to be in the order of its writers, so its end is mostly other people's handwriting.
HELD_OUT_COUNT = 360
SAMPLE_SIDE_PIXELS = 64
INK_DIGITS = "0123456789abcdefg"


class Split(NamedTuple):
    """Images as ink levels from 0 to 16 (N x 8 x 8) and what they show."""

    ink: np.ndarray
    labels: np.ndarray


class DigitsNet(nn.Module):
    """Two convolutions and two linear layers: N x 1 x 8 x 8 greys from 0 to 1 become N x 10 scores (no softmax)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 24, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classify = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(24 * 4 * 4, 48),
            nn.ReLU(),
            nn.Linear(48, 10),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.classify(self.features(image))


def load_splits() -> tuple[Split, Split]:
    """Everything but the last images to train on, and those last ones held out."""
    digits = load_digits()
    ink = digits.images.astype(np.uint8)
    cut = len(ink) - HELD_OUT_COUNT
    return Split(ink[:cut], digits.target[:cut]), Split(ink[cut:], digits.target[cut:])


def to_greys(ink: np.ndarray) -> np.ndarray:
    """Ink levels 0 to 16 as the bytes 0 to 255 that a greyscale image carries."""
    return np.round(ink * 255.0 / 16).astype(np.uint8)


def to_tensor(ink: np.ndarray) -> Tensor:
    """What the handler makes of the same images sent as PNG: N x 1 x 8 x 8, from 0 to 1."""
    return torch.from_numpy(to_greys(ink)).unsqueeze(1).float() / 255


def distort(images: Tensor) -> Tensor:
    """Each image turned by up to 10 degrees, scaled by up to 10 % and moved by up to one pixel, at random."""
    count = len(images)
    angle = (torch.rand(count) * 2 - 1) * math.radians(10)
    scale = 1 + (torch.rand(count) * 2 - 1) * 0.1
    move = (torch.rand(count, 2) * 2 - 1) / 4
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [torch.stack([cos, -sin, move[:, 0]], dim=1), torch.stack([sin, cos, move[:, 1]], dim=1)]
    grid = nn.functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def train(split: Split, epochs: int, batch_size: int) -> DigitsNet:
    images, labels = to_tensor(split.ink), torch.from_numpy(split.labels).long()
    net = DigitsNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    steps = epochs * math.ceil(len(images) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.004, total_steps=steps)
    for epoch in range(1, epochs + 1):
        loss_sum = 0.0
        for chosen in torch.randperm(len(images)).split(batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(distort(images[chosen])), labels[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(chosen)
        if epoch % 10 == 0 or epoch == epochs:
            print(f"epoch {epoch:3d}  loss {loss_sum / len(images):.4f}")
    return net.eval()


def save_torchscript(net: DigitsNet, path: Path) -> None:
    """TorchScript without its debug records, which name the folders of the machine that wrote it."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 1, 8, 8)), buffer)
    with zipfile.ZipFile(buffer) as written, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as kept:
        for name in written.namelist():
            if not name.endswith(".debug_pkl"):
                kept.writestr(zipfile.ZipInfo(name), written.read(name))


def save_onnx(net: DigitsNet, path: Path) -> None:
    torch.onnx.export(
        net,
        torch.zeros(1, 1, 8, 8),
        str(path),
        opset_version=13,
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
    )


def save_held_out(split: Split, predicted: list[int], path: Path) -> float:
    """One line an image, its 64 ink levels as base-17 digits; returns the accuracy, which the file states too."""
    accuracy = sum(int(p == label) for p, label in zip(predicted, split.labels)) / len(predicted)
    lines = []
    for ink, label, guess in zip(split.ink, split.labels, predicted):
        pixels = "".join(INK_DIGITS[level] for level in ink.flat)
        lines.append(f'    {{ "label": {label}, "predicted": {guess}, "pixels": "{pixels}" }}')
    about = json.dumps("Row by row, one base-17 digit a pixel: 0 is paper, g (16) is full ink.")
    images = ",\n".join(lines)
    path.write_text(f'{{\n  "about": {about},\n  "accuracy": {accuracy},\n  "images": [\n{images}\n  ]\n}}\n')
    return accuracy


def save_samples(split: Split, probabilities: Tensor, folder: Path) -> None:
    """The first of each digit that the network reads right, and the two that it gets wrong with most conviction."""
    for old in folder.glob("*.png"):
        old.unlink()
    confidence, predicted = probabilities.max(dim=1)
    right = predicted == torch.from_numpy(split.labels)
    for digit in range(10):
        index = next(i for i, label in enumerate(split.labels) if label == digit and right[i])
        save_sample(split.ink[index], folder / f"{digit}.png")
    for index in (confidence * ~right).argsort(descending=True)[:2].tolist():
        save_sample(split.ink[index], folder / f"misread-{split.labels[index]}-as-{predicted[index]}.png")


def save_sample(ink: np.ndarray, path: Path) -> None:
    # Whole blocks, so that the handler's box filter gives back exactly the 8 x 8 greys, and a person can see the digit.
    image = Image.fromarray(to_greys(ink)).resize((SAMPLE_SIDE_PIXELS, SAMPLE_SIDE_PIXELS), Image.Resampling.NEAREST)
    image.save(path, optimize=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the digits network and export it.")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the training images (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="images in one step (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write into (default: the one of this script)")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    training, held_out = load_splits()
    net = train(training, arguments.epochs, arguments.batch_size)

    out: Path = arguments.out
    for folder in (out / "model", out / "onnx-model", out / "samples"):
        folder.mkdir(parents=True, exist_ok=True)
    save_torchscript(net, out / "model" / "digits.pt")
    save_onnx(net, out / "onnx-model" / "digits.onnx")

    # The numbers that others compare with come from the exported file, not from the network in memory.
    exported = torch.jit.load(str(out / "model" / "digits.pt")).eval()
    with torch.inference_mode():
        probabilities = torch.softmax(exported(to_tensor(held_out.ink)), dim=1)
    accuracy = save_held_out(held_out, probabilities.argmax(dim=1).tolist(), out / "held-out.json")
    save_samples(held_out, probabilities, out / "samples")
    print(f"accuracy on {len(held_out.labels)} held-out images: {accuracy:.4f}")


if __name__ == "__main__":
    main()
