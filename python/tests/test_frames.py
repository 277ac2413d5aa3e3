"""Frames against the golden file that the TypeScript end reads, too, and against a hostile or slow peer."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import unittest

from packages import REPOSITORY_DIR
from sconce_worker.frames import MAX_HEADER_BYTES, FrameError, FrameReader, encode_frame, send_buffers

with open(os.path.join(REPOSITORY_DIR, "test", "fixtures", "frames", "frames.json"), encoding="utf-8") as _file:
    GOLDEN = json.load(_file)


class Peer:
    """A socket pair: what is written to one end is read at the other."""

    def __enter__(self) -> "Peer":
        self.near, self.far = socket.socketpair()
        self.near.settimeout(60)
        self.far.settimeout(60)
        self.reader = FrameReader(self.near)
        return self

    def __exit__(self, *unused: object) -> None:
        self.near.close()
        self.far.close()


class GoldenFrames(unittest.TestCase):
    def test_every_golden_frame_is_read_as_its_header_and_parts(self) -> None:
        for golden in GOLDEN["frames"]:
            with self.subTest(golden["name"]), Peer() as peer:
                peer.far.sendall(bytes.fromhex(golden["hex"]))
                frame = peer.reader.read()
                self.assertEqual(frame.header, golden["header"])
                self.assertEqual(frame.parts, [base64.b64decode(part) for part in golden["parts"]])

    def test_every_golden_frame_is_written_to_the_byte(self) -> None:
        for golden in GOLDEN["frames"]:
            with self.subTest(golden["name"]):
                buffers = encode_frame(golden["header"], [base64.b64decode(part) for part in golden["parts"]])
                self.assertEqual(b"".join(buffers).hex(), golden["hex"])

    def test_every_bad_frame_is_refused_for_its_reason(self) -> None:
        for bad in GOLDEN["bad"]:
            with self.subTest(bad["name"]), Peer() as peer:
                peer.far.sendall(bytes.fromhex(bad["hex"]))
                peer.far.shutdown(socket.SHUT_WR)
                with self.assertRaises(FrameError) as caught:
                    peer.reader.read()
                self.assertEqual(caught.exception.reason, bad["refusal"])

    def test_all_golden_frames_in_one_write_are_told_apart(self) -> None:
        with Peer() as peer:
            peer.far.sendall(b"".join(bytes.fromhex(golden["hex"]) for golden in GOLDEN["frames"]))
            peer.far.close()
            headers = [peer.reader.read().header for _ in GOLDEN["frames"]]
            self.assertEqual(headers, [golden["header"] for golden in GOLDEN["frames"]])
            self.assertIsNone(peer.reader.read())

    def test_frames_that_arrive_byte_by_byte_are_put_together(self) -> None:
        with Peer() as peer:
            raw = b"".join(bytes.fromhex(golden["hex"]) for golden in GOLDEN["frames"][:4])
            writer = threading.Thread(target=lambda: [peer.far.sendall(raw[i : i + 1]) for i in range(len(raw))])
            writer.start()
            headers = [peer.reader.read().header for _ in range(4)]
            writer.join()
            self.assertEqual(headers, [golden["header"] for golden in GOLDEN["frames"][:4]])


class FrameReading(unittest.TestCase):
    def test_a_close_between_frames_is_the_end_and_no_error(self) -> None:
        with Peer() as peer:
            send_buffers(peer.far, encode_frame({"type": "stop"}))
            peer.far.close()
            self.assertEqual(peer.reader.read().header, {"type": "stop"})
            self.assertIsNone(peer.reader.read())

    def test_parts_of_every_size_around_the_buffers_arrive_whole(self) -> None:
        sizes = [0, 1, 65535, 65536, 65537, 32768, 1048576, 3000001, 0, 7]
        parts = [os.urandom(size) for size in sizes]
        with Peer() as peer:
            writer = threading.Thread(target=lambda: send_buffers(peer.far, encode_frame({"type": "x"}, parts) * 2))
            writer.start()
            for _ in range(2):
                frame = peer.reader.read()
                self.assertEqual([len(part) for part in frame.parts], sizes)
                self.assertEqual(frame.parts, parts)
            writer.join()

    def test_a_header_of_the_largest_size_passes(self) -> None:
        filler = "x" * (MAX_HEADER_BYTES - len('{"type":"x","a":""}'))
        with Peer() as peer:
            writer = threading.Thread(target=lambda: send_buffers(peer.far, encode_frame({"type": "x", "a": filler})))
            writer.start()
            self.assertEqual(len(peer.reader.read().header["a"]), len(filler))
            writer.join()

    def test_more_parts_than_one_system_call_takes_arrive_in_order(self) -> None:
        parts = [b"%06d" % number for number in range(20000)]
        with Peer() as peer:
            writer = threading.Thread(target=lambda: send_buffers(peer.far, encode_frame({"type": "x"}, parts)))
            writer.start()
            self.assertEqual(b"".join(peer.reader.read().parts), b"".join(parts))
            writer.join()

    def test_a_header_that_nests_too_deep_is_refused(self) -> None:
        text = b'{"type":"x","a":' + b"[" * 200000 + b"]" * 200000 + b"}"
        with Peer() as peer:
            writer = threading.Thread(target=lambda: peer.far.sendall(len(text).to_bytes(4, "big") + text))
            writer.start()
            try:
                with self.assertRaises(FrameError) as caught:
                    peer.reader.read()
                self.assertEqual(caught.exception.reason, "header-not-json")
            finally:
                writer.join()


class FrameWriting(unittest.TestCase):
    def test_a_number_that_json_cannot_carry_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            encode_frame({"type": "metric", "value": float("nan")})

    def test_a_header_over_the_limit_is_refused_before_it_is_sent(self) -> None:
        with self.assertRaises(ValueError):
            encode_frame({"type": "error", "message": "x" * MAX_HEADER_BYTES})

    def test_a_lone_surrogate_becomes_a_question_mark(self) -> None:
        self.assertEqual(b"".join(encode_frame({"type": "x\udc80"}))[4:], b'{"type":"x?"}')


if __name__ == "__main__":
    unittest.main()
