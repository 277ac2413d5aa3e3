"""Continuous batching in a real worker: jobs join and leave between two calls of the handler."""

from __future__ import annotations

import json
import unittest

import packages  # noqa: F401
from worker_driver import WorkerDriver

HANDLER = """
    import json, os, time

    from ts.handler_utils.utils import send_intermediate_predict_response as send


    class Handler:
        def initialize(self, context):
            self.left = {}
            self.word = {}

        def handle(self, data, context):
            ids = [context.get_request_id(i) for i in range(len(data))]
            for request_id in set(self.left) - set(ids):
                print("forgot", request_id, flush=True)
                del self.left[request_id]
            for i, row in enumerate(data):
                if row:
                    command = json.loads(bytes(row["body"]))
                    self.word[ids[i]] = command.get("word", "x")
                    self.left[ids[i]] = command["count"]
                    if command.get("raise"):
                        raise ValueError("as asked")
            gate = os.path.join(context.system_properties["model_dir"], "gate")
            while any(self.word[each] == "gated" for each in ids) and not os.path.exists(gate):
                time.sleep(0.005)
            for each in ids:
                self.left[each] -= 1
            answer = ["%d:%s " % (len(data), self.word[each] * (262144 if self.word[each] == "L" else 1)) for each in ids]
            for i, each in enumerate(ids):
                if self.word[each] == "header":
                    context.set_response_header(i, "ts_stream_next", "true" if self.left[each] > 0 else "false")
                if self.word[each] == "ends":
                    context.set_response_header(i, context.header_key_sequence_end, context.get_sequence_id(i))
            if any(self.word[each] == "short" for each in ids):
                return answer[1:]
            context.stopping_criteria = [self.criterion(each) for each in ids]
            return answer

        def criterion(self, request_id):
            if self.word[request_id] == "header":
                return lambda result: None
            if self.word[request_id] == "bad":
                raise_it = []
                return lambda result: raise_it[0]
            return lambda result: self.left[request_id] <= 0
"""
FILES = {
    "handler.py": HANDLER,
    "MAR-INF/MANIFEST.json": json.dumps({"model": {"modelName": "tested", "configFile": "model-config.yaml"}}),
    "model-config.yaml": "continuousBatching: true\n",
    "yaml.py": "raise ImportError('not here')\n",
}


def ask(count: int, word: str = "x", **more: object) -> dict:
    return {"inputs": {"body": ("", json.dumps(dict(count=count, word=word, **more)).encode())}}


class ContinuousBatching(unittest.TestCase):
    def setUp(self) -> None:
        self.worker = WorkerDriver(FILES)
        self.addCleanup(self.worker.__exit__)
        ready = self.worker.load(modelConfig={"continuousBatching": True}, batchSize=4)
        self.assertEqual(ready.header["type"], "ready", ready.header)
        self.assertEqual((ready.header["capacity"], ready.header["ahead"], ready.header["joins"]), (4, 0, True))

    def open_gate(self) -> None:
        with open(self.worker.model_dir + "/gate", "w"):
            pass

    def test_an_answer_of_one_call_is_one_part_without_a_mark_of_a_stream(self) -> None:
        (answer,) = self.worker.ask(ask(1))
        self.assertEqual(answer[1], b"1:x ")
        self.assertEqual(len(answer[2]), 1)
        self.assertNotIn("headers", answer[2][0])

    def test_jobs_leave_when_they_are_done_and_the_others_go_on(self) -> None:
        answers = self.worker.ask(ask(3, "a"), ask(1, "b"), ask(2, "header"))
        self.assertEqual([each[1] for each in answers], [b"3:a 2:a 1:a ", b"3:b ", b"3:header 2:header "])
        self.assertEqual(answers[0][2][0]["headers"], [["ts_stream_next", "true"]])
        self.assertEqual([each["last"] for each in answers[0][2]], [False, False, True])

    def test_a_job_joins_between_two_calls_and_does_not_wait_for_the_longest(self) -> None:
        (long,) = self.worker.predict(ask(1_000_000_000))
        first = self.worker.receive_until(lambda frame: frame.header["type"] == "output")
        self.assertEqual(first[-1].header["outputs"][0]["job"], long)
        (late,) = self.worker.predict(ask(2, "late"))
        ended = {late}
        frames = self.worker.receive_until(
            lambda frame: any(o["last"] and o["job"] in ended for o in frame.header.get("outputs", []))
        )
        parts = [
            bytes(part)
            for frame in frames
            for output, part in zip(frame.header.get("outputs", []), frame.parts)
            if output["job"] == late
        ]
        self.assertEqual(parts, [b"2:late ", b"2:late "])
        self.worker.command(type="cancel", jobs=[long])
        self.worker.receive_until(
            lambda frame: any(o["last"] and o["job"] == long for o in frame.header.get("outputs", []))
        )
        # The handler notices by the id that is missing.
        self.assertEqual(self.worker.ask(ask(1))[0][1], b"1:x ")
        self.assertIn("forgot r-1", self.worker.log())

    def test_a_call_that_raises_fails_all_open_jobs_and_the_worker_lives_on(self) -> None:
        answers = self.worker.ask(ask(5), ask(5, **{"raise": True}))
        self.assertEqual([each[0] for each in answers], ["PREDICTION_FAILED", "PREDICTION_FAILED"])
        self.assertEqual(self.worker.ask(ask(1))[0][1], b"1:x ")

    def test_a_list_of_the_wrong_length_fails_all_open_jobs(self) -> None:
        answers = self.worker.ask(ask(5), ask(5, "short"))
        self.assertEqual([each[0] for each in answers], ["OUTPUT_WRONG_LENGTH"] * 2)
        self.assertEqual(self.worker.ask(ask(1))[0][1], b"1:x ")

    def test_a_criterion_that_raises_fails_its_own_job_only(self) -> None:
        answers = self.worker.ask(ask(2), ask(2, "bad"))
        self.assertEqual([each[0] for each in answers], ["text", "PREDICTION_FAILED"])
        self.assertEqual(answers[0][1], b"2:x 1:x ")

    def test_a_client_that_reads_too_slowly_loses_its_stream_and_holds_nobody_up(self) -> None:
        (slow, other) = self.worker.predict(ask(1_000_000, "L"), ask(30, "o"))
        found = self.worker.answers([slow, other])
        self.assertEqual(found[slow][0], "READER_TOO_SLOW")
        self.assertEqual(len(found[other][1].split()), 30)

    def test_a_description_is_answered_between_two_calls(self) -> None:
        (long,) = self.worker.predict(ask(1_000_000_000))
        self.worker.receive_until(lambda frame: frame.header["type"] == "output")
        (described,) = self.worker.predict(ask(1), kind="describe")
        frames = self.worker.receive_until(
            lambda frame: any(o["job"] == described for o in frame.header.get("outputs", []))
        )
        self.assertTrue(frames[-1].header["outputs"][0]["last"])
        self.worker.command(type="cancel", jobs=[long])

    def test_stop_lets_the_open_jobs_finish(self) -> None:
        (job,) = self.worker.predict(ask(3, "gated"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        self.worker.command(type="stop")
        self.open_gate()
        self.assertEqual(self.worker.answers([job])[job][1], b"1:gated 1:gated 1:gated ")
        self.assertEqual(self.worker.exit_code(), 0)

    def test_the_header_that_ends_a_sequence_leaves_with_its_part(self) -> None:
        headers = [["ts_request_sequence_id", "s-1"]]
        (answer,) = self.worker.ask(dict(ask(1, "ends"), headers=headers))
        self.assertIn(["ts_request_sequence_end", "s-1"], answer[2][0]["headers"])


if __name__ == "__main__":
    unittest.main()
