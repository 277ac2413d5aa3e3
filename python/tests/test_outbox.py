"""Credit, cancellation and the one end of every job, without a process."""

from __future__ import annotations

import socket
import threading
import unittest
from typing import Any, Dict, List, Tuple

import packages  # noqa: F401
from sconce_worker.frames import FrameReader
from sconce_worker.outbox import KEPT_BYTES, OpenJob, Outbox, Output
from sconce_worker.results import Body, JobError


def text(value: str) -> Output:
    return Output({}, Body("text", value.encode("utf-8")))


class Credit(unittest.TestCase):
    def setUp(self) -> None:
        near, self.far = socket.socketpair()
        self.far.settimeout(60)
        self.addCleanup(near.close)
        self.addCleanup(self.far.close)
        self.outbox = Outbox(near)
        self.outbox.configure(credit_bytes=10, is_answering=True)
        self.reader = FrameReader(self.far)
        self.near = near

    def sent(self) -> List[Tuple[int, bool, bytes]]:
        """Everything sent so far: (job, last, bytes)."""
        self.outbox.send({"type": "mark"})
        found = []
        frame = self.reader.read()
        while frame.header["type"] != "mark":
            if frame.header["type"] == "output":
                for output, part in zip(frame.header["outputs"], frame.parts):
                    found.append((output["job"], output["last"], bytes(part)))
            else:
                found.append((tuple(frame.header["jobs"]), True, frame.header["code"]))
            frame = self.reader.read()
        return found

    def stream(self, *parts: Tuple[OpenJob, str]) -> None:
        self.outbox.stream([(job, text(value)) for job, value in parts])

    def test_parts_beyond_the_credit_are_kept_while_batch_mates_go_on(self) -> None:
        slow, quick = self.outbox.open(1), self.outbox.open(2)
        self.stream((slow, "123456789012"), (quick, "a"))
        self.stream((slow, "kept"), (quick, "b"))
        self.assertEqual(self.sent(), [(1, False, b"123456789012"), (2, False, b"a"), (2, False, b"b")])

    def test_granted_credit_moves_what_is_kept_in_order(self) -> None:
        job = self.outbox.open(1)
        for value in ("1234567890", "a", "bcd", "e"):
            self.stream((job, value))
        self.sent()
        self.outbox.grant(1, 2)
        self.assertEqual(self.sent(), [(1, False, b"a"), (1, False, b"bcd")])
        self.outbox.grant(1, 3)
        self.assertEqual(self.sent(), [(1, False, b"e")])

    def test_the_last_part_needs_no_credit_and_comes_after_what_is_kept(self) -> None:
        job = self.outbox.open(1)
        for value in ("1234567890", "kept"):
            self.stream((job, value))
        self.outbox.finish([(job, text("last"))])
        self.assertEqual(self.sent(), [(1, False, b"1234567890"), (1, False, b"kept"), (1, True, b"last")])

    def test_a_handler_waits_only_when_too_much_is_kept_until_credit_comes(self) -> None:
        job = self.outbox.open(1)
        self.stream((job, "1234567890"))
        self.stream((job, "x" * KEPT_BYTES))
        waiting = threading.Thread(target=lambda: self.stream((job, "y")))
        waiting.start()
        while not job.kept_bytes > KEPT_BYTES:
            pass
        self.assertTrue(waiting.is_alive())
        drained: List[Any] = []
        reading = threading.Thread(target=lambda: drained.extend(self.reader.read() for _ in range(2)))
        reading.start()
        self.outbox.grant(1, 5)
        waiting.join(60)
        self.assertFalse(waiting.is_alive())
        reading.join(60)
        self.assertEqual(len(drained[1].parts[0]), KEPT_BYTES)

    def test_cancelling_frees_a_handler_that_waits(self) -> None:
        job = self.outbox.open(1)
        self.stream((job, "1234567890"))
        waiting = threading.Thread(target=lambda: self.stream((job, "x" * (KEPT_BYTES + 1))))
        waiting.start()
        self.outbox.cancel([1])
        waiting.join(60)
        self.assertFalse(waiting.is_alive())

    def test_a_cancelled_job_sends_no_more_parts_but_still_ends(self) -> None:
        job = self.outbox.open(1)
        self.stream((job, "a"))
        self.outbox.cancel([1])
        self.stream((job, "b"))
        self.outbox.finish([(job, text("c"))])
        self.assertEqual(self.sent(), [(1, False, b"a"), (1, True, b"c")])

    def test_a_cancellation_that_overtakes_its_batch_is_remembered(self) -> None:
        self.outbox.cancel([7])
        self.assertTrue(self.outbox.open(7).is_cancelled)
        self.assertFalse(self.outbox.open(8).is_cancelled)

    def test_a_job_ends_once(self) -> None:
        job = self.outbox.open(1)
        self.outbox.stream([(job, JobError("HANDLER_ERROR", "no", 400))])
        self.stream((job, "late"))
        self.outbox.finish([(job, text("later"))])
        self.assertEqual(self.sent(), [((1,), True, "HANDLER_ERROR")])

    def test_kept_bytes_are_those_of_the_moment_of_the_call(self) -> None:
        job, part = self.outbox.open(1), bytearray(b"one")
        self.stream((job, "1234567890"))
        self.outbox.stream([(job, Output({}, Body("binary", part)))])
        part[:] = b"two"
        self.outbox.finish([(job, text(""))])
        self.assertEqual(self.sent()[1], (1, False, b"one"))

    def test_a_batch_that_fails_is_told_so_in_one_frame(self) -> None:
        jobs = [self.outbox.open(number) for number in (1, 2, 3)]
        same = JobError("PREDICTION_FAILED", "Prediction failed")
        self.outbox.finish([(jobs[0], same), (jobs[1], text("ok")), (jobs[2], same)])
        self.assertEqual(self.sent(), [(2, True, b"ok"), ((1, 3), True, "PREDICTION_FAILED")])

    def test_a_rank_that_does_not_answer_sends_nothing_of_jobs(self) -> None:
        self.outbox.configure(credit_bytes=10, is_answering=False)
        job = self.outbox.open(1)
        self.outbox.announce([job])
        self.stream((job, "a"))
        self.outbox.finish([(job, text("b"))])
        self.assertEqual(self.sent(), [])

    def test_metrics_leave_with_the_next_output_and_before_it(self) -> None:
        job = self.outbox.open(1)
        self.outbox.report_metric("A", "Count", 1, "counter", [("Level", "Model")], ["r-1"])
        self.outbox.finish([(job, text("ok"))])
        first, second = self.reader.read(), self.reader.read()
        expected: Dict[str, Any] = {
            "type": "metric",
            "name": "A",
            "unit": "Count",
            "value": 1,
            "kind": "counter",
            "dimensions": [["Level", "Model"]],
            "requestIds": ["r-1"],
        }
        self.assertEqual(first.header, expected)
        self.assertEqual(second.header["type"], "output")

    def test_answers_that_may_linger_leave_with_the_next_start(self) -> None:
        first, second = self.outbox.open(1), self.outbox.open(2)
        self.outbox.finish([(first, text("ok"))], handler_ms=1.5, may_linger=True)
        self.far.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.far.recv(1)
        self.far.settimeout(60)
        self.outbox.announce([second])
        output, started = self.reader.read(), self.reader.read()
        self.assertEqual((output.header["handlerMs"], output.header["outputs"][0]["job"]), (1.5, 1))
        self.assertEqual(started.header, {"type": "started", "jobs": [2]})

    def test_a_flush_sends_what_lingers(self) -> None:
        job = self.outbox.open(1)
        self.outbox.finish([(job, text("ok"))], may_linger=True)
        self.outbox.flush()
        self.assertEqual(self.reader.read().header["outputs"][0]["job"], 1)


if __name__ == "__main__":
    unittest.main()
