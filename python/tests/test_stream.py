"""Streamed answers in a real worker: parts, credit, cancellation, and errors in the middle."""

from __future__ import annotations

import unittest
from typing import Any

import packages  # noqa: F401
from worker_driver import WorkerDriver

HANDLER = """
    from ts.handler_utils.cancellation import RequestCancelled
    from ts.handler_utils.utils import send_intermediate_predict_response as send
    from ts.protocol.otf_message_handler import send_intermediate_predict_response as old_send


    def handle(data, context):
        return data and globals()[bytes(data[0]["do"]).decode()](data, context)

    def words(data, context):
        for number in range(2):
            send(["%d.%d " % (i, number) for i in range(len(data))], context.request_ids, "ok", 200, context)
        return ["last"] * len(data)

    def old(data, context):
        old_send([{"text": "a"}], context.request_ids, "ok", 200, context)
        return ["b"]

    def typed(data, context):
        context.set_response_content_type(0, "text/event-stream")
        context.set_response_status(206, "Parts", 0)
        send(["data: 1"], context.request_ids, "ok", 200, context)
        return [""]

    def some(data, context):
        send({1: "second "}, {1: context.request_ids[1]}, "ok", 200, context)
        return ["end"] * len(data)

    def fails_midway(data, context):
        send(["a"], context.request_ids, "ok", 200, context)
        raise RuntimeError("midway")

    def coded(data, context):
        send([None, None], {0: context.request_ids[0]}, "enough", 429, context)
        return ["one", "two"]

    def unsendable(data, context):
        send([object(), "fine "], context.request_ids, "ok", 200, context)
        return ["end"] * len(data)

    def marked(data, context):
        context.set_response_header(0, "ts_stream_next", "true")
        return ["only"]

    def endless(data, context):
        try:
            while True:
                send(["x" * 1000] * len(data), context.request_ids, "ok", 200, context)
        except RequestCancelled:
            print("cancelled was raised", [context.is_cancelled(i) for i in range(len(data))], flush=True)
            raise

    def watchful(data, context):
        send(["go"] * len(data), context.request_ids, "ok", 200, context)
        while not context.is_cancelled(1):
            pass
        print("is_cancelled was seen", context.is_cancelled(), context.is_cancelled(0), flush=True)
        return ["end"] * len(data)
"""


class Streams(unittest.TestCase):
    worker: WorkerDriver

    @classmethod
    def setUpClass(cls) -> None:
        cls.worker = WorkerDriver({"handler.py": HANDLER})
        cls.worker.load(batchSize=2, creditBytes=10000)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.worker.__exit__()

    def do(self, what: str, count: int = 1) -> Any:
        return self.worker.ask(*[{"inputs": {"do": ("", what.encode())}}] * count)

    def test_parts_come_before_the_last_and_the_first_has_the_header(self) -> None:
        first, second = self.do("words", 2)
        self.assertEqual((first[1], second[1]), (b"0.0 0.1 last", b"1.0 1.1 last"))
        self.assertEqual([output["last"] for output in first[2]], [False, False, True])
        self.assertEqual(first[2][0]["headers"], [["ts_stream_next", "true"]])

    def test_the_former_import_path_works(self) -> None:
        self.assertEqual(self.do("old")[0][1], b'{\n  "text": "a"\n}b')

    def test_type_and_status_set_before_the_first_part_travel_with_it(self) -> None:
        output = self.do("typed")[0][2][0]
        self.assertEqual((output["status"], output["reason"]), (206, "Parts"))
        self.assertEqual(output["headers"], [["content-type", "text/event-stream"], ["ts_stream_next", "true"]])

    def test_a_part_may_go_to_some_requests_only(self) -> None:
        first, second = self.do("some", 2)
        self.assertEqual((first[1], second[1]), (b"end", b"second end"))

    def test_an_exception_in_the_middle_ends_the_stream_with_an_error(self) -> None:
        self.assertEqual(self.do("fails_midway")[0][0], "PREDICTION_FAILED")

    def test_a_code_other_than_200_ends_the_named_requests(self) -> None:
        first, second = self.do("coded", 2)
        self.assertEqual((first[0], first[1], first[2][0]["status"]), ("HANDLER_ERROR", "enough", 429))
        self.assertEqual(second[1], b"two")

    def test_a_part_that_cannot_be_sent_ends_its_own_request(self) -> None:
        first, second = self.do("unsendable", 2)
        self.assertEqual(first[0], "OUTPUT_NOT_SERIALISABLE")
        self.assertEqual(second[1], b"fine end")

    def test_the_stream_header_on_an_only_part_says_that_nothing_follows(self) -> None:
        self.assertEqual(self.do("marked")[0][2][0]["headers"], [["ts_stream_next", "false"]])

    def test_a_stream_stops_when_nobody_waits_any_more(self) -> None:
        (job,) = self.worker.predict({"inputs": {"do": ("", b"endless")}})
        self.worker.receive_until(lambda frame: frame.header["type"] == "output")
        self.worker.command(type="cancel", jobs=[job])
        self.assertEqual(self.worker.answers([job])[job][2][-1]["last"], True)
        log = self.worker.log()
        self.assertIn("cancelled was raised [True]", log)
        self.assertNotIn("RequestCancelled", log)

    def test_a_handler_can_ask_which_requests_are_cancelled_while_it_computes(self) -> None:
        ids = self.worker.predict(*[{"inputs": {"do": ("", b"watchful")}}] * 2)
        self.worker.receive_until(lambda frame: frame.header["type"] == "output")
        self.worker.command(type="cancel", jobs=ids[1:])
        self.assertEqual(self.worker.answers(ids)[ids[0]][1], b"end")
        self.assertIn("is_cancelled was seen False False", self.worker.log())

    def test_credit_bounds_what_a_stream_sends_ahead(self) -> None:
        (job,) = self.worker.predict({"inputs": {"do": ("", b"endless")}})
        self.assertEqual(self.streamed_bytes(10000), 10000)
        self.worker.command(type="ping", id=1)
        self.assertEqual(self.worker.receive_control().header, {"type": "pong", "id": 1})
        # 2500 bytes more are begun, not exceeded, by three parts of 1000; with anything beyond, the next count would differ.
        self.worker.command(type="credit", job=job, bytes=2500)
        self.assertEqual(self.streamed_bytes(2500), 3000)
        self.worker.command(type="credit", job=job, bytes=1500)
        self.assertEqual(self.streamed_bytes(1000), 1000)
        self.worker.command(type="cancel", jobs=[job])
        self.assertTrue(self.worker.answers([job])[job][2][-1]["last"])

    def streamed_bytes(self, at_least: int) -> int:
        """Reads parts until they come to so many bytes, and says how many they really are."""
        count = 0
        while count < at_least:
            frame = self.worker.receive()
            if frame.header["type"] == "output":
                count += sum(map(len, frame.parts))
        return count


if __name__ == "__main__":
    unittest.main()
