"""Runs the exported network on the held-out images with torch alone: no server, no handler, no scikit-learn.

Prints the accuracy, or with --json the probabilities of every image, for comparison with what a server answers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent


def to_greys(pixels: str) -> list[int]:
    """One image's base-17 digits as grey levels from 0 to 255."""
    return [round(int(digit, 17) * 255 / 16) for digit in pixels]


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate the digits network on the held-out images.")
    parser.add_argument("--json", action="store_true", help="print a list of ten probabilities for each image")
    arguments = parser.parse_args()

    images = json.loads((HERE / "held-out.json").read_text())["images"]
    net = torch.jit.load(str(HERE / "model" / "digits.pt")).eval()
    greys = torch.tensor([to_greys(image["pixels"]) for image in images], dtype=torch.float32)
    with torch.inference_mode():
        probabilities = torch.softmax(net(greys.view(-1, 1, 8, 8) / 255), dim=1)

    if arguments.json:
        print(json.dumps(probabilities.tolist()))
    else:
        labels = torch.tensor([image["label"] for image in images])
        right = int((probabilities.argmax(dim=1) == labels).sum())
        print(f"{right} of {len(images)} right: {right / len(images):.4f}")


if __name__ == "__main__":
    main()
