"""Frames by the thousand that are nearly right: the reader gives a frame, the end, or its own error, and takes no memory by a
claim.

test/faults/fuzz.test.ts is the same for the TypeScript end. The seed is fixed, so that a failure comes again; SCONCE_FUZZ_SEED
and SCONCE_FUZZ_ROUNDS change what is tried.
"""

from __future__ import annotations

import json
import os
import random
import socket
import tracemalloc
import unittest
from typing import List, Tuple

from packages import REPOSITORY_DIR
from sconce_worker.frames import Frame, FrameError, FrameReader

with open(os.path.join(REPOSITORY_DIR, "test", "fixtures", "frames", "frames.json"), encoding="utf-8") as _file:
    GOLDEN = json.load(_file)

SEED = int(os.environ.get("SCONCE_FUZZ_SEED", "1"))
ROUNDS = int(os.environ.get("SCONCE_FUZZ_ROUNDS", "1500"))
#: What one stream may have at most, so that it fits into the socket without a second thread.
MAX_STREAM_BYTES = 60_000


def changed(raw: bytes, chance: random.Random) -> bytes:
    """The same with one thing wrong."""
    at = chance.randrange(len(raw) + 1)
    kind = chance.choice(["flip", "cut", "drop", "insert", "repeat"])
    if kind == "flip" and at < len(raw):
        return raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]
    if kind == "cut":
        return raw[:at]
    if kind == "drop":
        return raw[:at] + raw[at + chance.randint(1, 20) :]
    if kind == "insert":
        return raw[:at] + bytes(chance.randrange(256) for _ in range(chance.randint(1, 20))) + raw[at:]
    return raw[:at] + raw[at : at + chance.randint(1, 30)] + raw[at:]


def outcome_of(raw: bytes, pieces: List[int]) -> Tuple[List[Frame], str]:
    """Every frame that the reader makes of these bytes, and why it stopped: "end", or a refusal's reason."""
    near, far = socket.socketpair()
    frames: List[Frame] = []
    with near, far:
        near.settimeout(30)
        start = 0
        turn = 0
        while start < len(raw):
            size = pieces[turn % len(pieces)]
            far.sendall(raw[start : start + size])
            start += size
            turn += 1
        far.shutdown(socket.SHUT_WR)
        reader = FrameReader(near)
        try:
            while True:
                frame = reader.read()
                if frame is None:
                    return frames, "end"
                frames.append(frame)
        except FrameError as refusal:
            return frames, refusal.reason


class FramesThatAreNearlyRight(unittest.TestCase):
    def test_are_read_or_refused_and_nothing_else(self) -> None:
        chance = random.Random(SEED)
        examples = [bytes.fromhex(one["hex"]) for one in GOLDEN["frames"] + GOLDEN["bad"]]
        examples = [example for example in examples if len(example) < MAX_STREAM_BYTES // 8]
        for round_number in range(ROUNDS):
            raw = b"".join(chance.choice(examples) for _ in range(chance.randint(1, 4)))
            for _ in range(chance.randint(0, 4)):
                raw = changed(raw, chance)
            with self.subTest(round=round_number, raw=raw.hex()):
                frames, why = outcome_of(raw, [len(raw) or 1])
                self.assertLessEqual(sum(len(part) for frame in frames for part in frame.parts), len(raw))
                for frame in frames:
                    self.assertIsInstance(frame.header["type"], str)
                self.assertEqual(outcome_of(raw, [chance.randint(1, 64), chance.randint(1, 900)]), (frames, why))

    def test_take_no_memory_by_the_lengths_that_they_claim(self) -> None:
        chance = random.Random(SEED)
        tracemalloc.start()
        try:
            for _ in range(200):
                lengths = [chance.randrange(2 ** chance.randint(20, 53)) for _ in range(chance.randint(1, 20))]
                text = json.dumps({"type": "predict", "jobs": [], "parts": lengths}).encode()
                outcome_of(len(text).to_bytes(4, "big") + text + b"x" * chance.randrange(2_000), [100_000])
            outcome_of((16 * 1024 * 1024).to_bytes(4, "big") + b"{", [100_000])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertLess(peak, 8 * 1024 * 1024)


if __name__ == "__main__":
    unittest.main()
