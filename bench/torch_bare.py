"""The floor of ResNet-18 in torch: the network in a loop and nothing else. Reads how many milliseconds to compute, a line each; answers with counts."""

import json
import sys
import time

import torch
import torchvision


def loop(network, picture, duration_ms):
    latencies_ms = []
    started_at = time.perf_counter()
    now = started_at
    while (now - started_at) * 1000 < duration_ms:
        with torch.inference_mode():
            network(picture)
        done_at = time.perf_counter()
        latencies_ms.append((done_at - now) * 1000)
        now = done_at
    latencies_ms.sort()
    return {
        "answers": len(latencies_ms),
        "elapsedMs": (now - started_at) * 1000,
        "p50Ms": latencies_ms[len(latencies_ms) // 2],
        "p99Ms": latencies_ms[min(len(latencies_ms) - 1, len(latencies_ms) * 99 // 100)],
    }


def main():
    torch.set_num_threads(1)
    network = torchvision.models.resnet18().eval()
    picture = torch.rand(1, 3, 224, 224)
    loop(network, picture, 1)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(loop(network, picture, float(line))), flush=True)


main()
