"""Batches in a real worker: what the handler gets, how its results and failures come out, and what it leaves behind."""

from __future__ import annotations

import json
import tempfile
import unittest
from typing import Any, Dict

import packages  # noqa: F401
from sconce_worker.frames import encode_frame
from worker_driver import WorkerDriver, json_request

HANDLER = """
    import json, os, sys, time

    from ts.utils.util import PredictionException


    def shown(value):
        if isinstance(value, (bytes, bytearray)):
            return [type(value).__name__, bytes(value).decode("latin-1")]
        return [type(value).__name__, value]


    def handle(data, context):
        if data is None:
            return
        body = data[0].get("body")
        return globals()[body["do"] if isinstance(body, dict) and "do" in body else "rows"](data, context)


    def rows(data, context):
        return [{key: shown(value) for key, value in row.items()} for row in data]

    def headers(data, context):
        return [context.get_all_request_header(i) for i in range(len(data))]

    def ids(data, context):
        assert context.get_request_id(1) == context.request_ids[1] and context.get_request_id(9) is None
        return [context.get_request_id(i) for i in range(len(data))]

    def respond(data, context):
        context.set_all_response_status(202, "Taken")
        context.set_response_status(418, "Teapot", 0)
        context.set_response_content_type(0, "text/x-tea")
        context.set_response_header(0, "x-tea", "yes")
        assert context.get_response_content_type(0) == "text/x-tea"
        assert context.get_response_status(0) == (418, "Teapot")
        return ["tea"] * len(data)

    def bad_header(data, context):
        context.set_response_header(1, "x-number", 5)
        return ["ok"] * len(data)

    def mixed(data, context):
        return ["text", b"bytes", {"a": 1}, {1, 2}]

    def as_tuple(data, context):
        return ("ok",) * len(data)

    def too_few(data, context):
        return ["ok"]

    def raises(data, context):
        raise RuntimeError("secret reason")

    def refuses(data, context):
        raise PredictionException("not today", 429)

    def refuses_oddly(data, context):
        raise PredictionException("no such status", 2**60)

    def cuda(data, context):
        raise RuntimeError("CUDA error: device-side assert triggered")

    def memory(data, context):
        raise MemoryError()

    def starved(data, context):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")

    def odd(data, context):
        class Odd(BaseException):
            def __str__(self):
                raise ValueError("no text")
        raise Odd()

    def large(data, context):
        return ["x" * 2000]

    def metrics(data, context):
        context.metrics.add_counter("Things", 2)
        context.metrics.add_time("Took", 1.5, idx=0)
        context.metrics.add_percent("Share", float("nan"))
        return ["ok"] * len(data)

    def nap(data, context):
        time.sleep(0.02)
        return ["ok"] * len(data)

    def leave(data, context):
        print("leaving", flush=True)
        sys.exit(7)

    def die(data, context):
        os._exit(3)
"""


class Batches(unittest.TestCase):
    worker: WorkerDriver

    @classmethod
    def setUpClass(cls) -> None:
        cls.worker = WorkerDriver({"handler.py": HANDLER})
        ready = cls.worker.load(batchSize=4, maxResponseBytes=1000)
        assert ready.header["type"] == "ready" and ready.header["capacity"] == 4, ready.header

    @classmethod
    def tearDownClass(cls) -> None:
        cls.worker.__exit__()

    def do(self, what: str, count: int = 1, **fields: Any) -> Any:
        return self.worker.ask(*[json_request(json.dumps({"do": what}), **fields)] * count)

    # --- inputs -----------------------------------------------------------------------------------------------------

    def row(self, **inputs: Any) -> Dict[str, Any]:
        kind, value, _ = self.worker.ask({"inputs": inputs})[0]
        self.assertEqual(kind, "json")
        return json.loads(value)

    def test_inputs_are_decoded_by_their_content_type(self) -> None:
        row = self.row(
            json=("application/json", b'{"a": [1, null]}'),
            text=("text/plain", "grüße".encode("utf-8")),
            html=("text/html", b"<p>"),
            raw=("", b"\x00\xff"),
            image=("image/png", b"\x89PNG"),
            empty=("", b""),
        )
        expected = {
            "json": ["dict", {"a": [1, None]}],
            "text": ["str", "grüße"],
            "html": ["str", "<p>"],
            "raw": ["bytearray", "\x00\xff"],
            "image": ["bytearray", "\x89PNG"],
            "empty": ["bytearray", ""],
        }
        self.assertEqual(row, expected)

    def test_what_does_not_keep_its_promise_arrives_as_bytes(self) -> None:
        row = self.row(
            json=("application/json", b'{"a": '), text=("text/plain", b"\xff"), params=("application/json;x=1", b"1")
        )
        expected = {"json": ["bytearray", '{"a": '], "text": ["bytearray", "\xff"], "params": ["bytearray", "1"]}
        self.assertEqual(row, expected)

    def test_json_with_blanks_around_it_is_json(self) -> None:
        self.assertEqual(self.row(body=("application/json", b" [1]\n")), {"body": ["list", [1]]})

    def test_large_values_are_read_from_their_places_in_a_file(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"--head--one--two" + b"x" * 100000)
            file.flush()
            found, _ = self.worker.ask(
                {"files": {"a": (file.name, 8, 3), "b": (file.name, 13, 3)}, "inputs": {"c": ("", b"small")}},
                {"inputs": {"body": ("", b"x")}},
            )
            kind, value, _ = self.worker.ask({"files": {"body": (file.name, 0, 100016)}})[0]
        expected = {"a": ["bytearray", "one"], "b": ["bytearray", "two"], "c": ["bytearray", "small"]}
        self.assertEqual(json.loads(found[1]), expected)
        self.assertEqual(kind, "RESPONSE_TOO_LARGE")
        self.assertIn("max_response_size allows 1000", value)

    def test_a_large_value_that_cannot_be_read_fails_only_its_own_request(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"short")
            file.flush()
            for place in (("/no/such/file", 0, 1), (file.name, 0, 6)):
                bad, fine = self.worker.ask({"files": {"body": place}}, {"inputs": {"body": ("", b"x")}})
                self.assertEqual(bad[0], "PREDICTION_FAILED")
                self.assertEqual(json.loads(fine[1]), {"body": ["bytearray", "x"]})

    def test_a_big_body_arrives_whole(self) -> None:
        body = json.dumps({"do": "ids", "filler": "x" * 3000000}).encode("utf-8")
        answers = self.worker.ask(*[{"inputs": {"body": ("application/json", body)}}] * 2)
        self.assertEqual([answer[0] for answer in answers], ["text", "text"])

    # --- the context ------------------------------------------------------------------------------------------------

    def test_headers_keep_their_case_and_come_with_the_inputs_and_the_kind(self) -> None:
        sent = [["X-Probe", "one"], ["X-Probe", "two"], ["url_path", "a/b"], ["explain", "True"]]
        _, value, _ = self.do("headers", headers=sent)[0]
        expected = {
            "body": {"content-type": "application/json"},
            "X-Probe": "two",
            "url_path": "a/b",
            "explain": "False",
        }
        self.assertEqual(json.loads(value), expected)

    def test_explanations_and_descriptions_are_told_by_their_header(self) -> None:
        request = json_request('{"do": "headers"}')
        self.assertEqual(json.loads(self.worker.ask(request, kind="explain")[0][1])["explain"], "True")
        described = json.loads(self.worker.ask(request, kind="describe")[0][1])
        self.assertEqual(described["describe"], "True")
        self.assertNotIn("explain", described)

    def test_each_request_has_its_id(self) -> None:
        answers = self.do("ids", 3)
        self.assertEqual(len({answer[1] for answer in answers}), 3)
        self.assertTrue(answers[0][1].startswith(b"r-"))

    def test_status_reason_and_headers_belong_to_one_request(self) -> None:
        first, second = self.do("respond", 2)
        self.assertEqual(first[2][0]["status"], 418)
        self.assertEqual(first[2][0]["reason"], "Teapot")
        self.assertEqual(first[2][0]["headers"], [["content-type", "text/x-tea"], ["x-tea", "yes"]])
        self.assertEqual((second[2][0]["status"], second[2][0]["reason"]), (202, "Taken"))
        self.assertNotIn("headers", second[2][0])

    # --- results ----------------------------------------------------------------------------------------------------

    def test_results_of_one_batch_are_encoded_each_by_its_type_and_fail_alone(self) -> None:
        answers = self.do("mixed", 4)
        self.assertEqual([answer[0] for answer in answers], ["text", "binary", "json", "OUTPUT_NOT_SERIALISABLE"])
        self.assertIn("Result 3 of the handler (type set)", answers[3][1])

    def test_a_bad_header_fails_its_own_request_only(self) -> None:
        answers = self.do("bad_header", 3)
        self.assertEqual([answer[0] for answer in answers], ["text", "OUTPUT_HEADER_INVALID", "text"])
        self.assertIn("x-number", answers[1][1])

    def test_a_result_of_the_wrong_shape_fails_the_batch(self) -> None:
        self.assertEqual([answer[0] for answer in self.do("as_tuple", 2)], ["OUTPUT_NOT_A_LIST"] * 2)
        self.assertEqual([answer[0] for answer in self.do("too_few", 2)], ["OUTPUT_WRONG_LENGTH"] * 2)

    def test_an_answer_over_the_limit_is_refused(self) -> None:
        self.assertEqual(self.do("large")[0][0], "RESPONSE_TOO_LARGE")

    # --- failures ---------------------------------------------------------------------------------------------------

    def test_an_exception_fails_the_batch_without_its_text_and_is_logged_once(self) -> None:
        before = self.worker.log().count("RuntimeError: secret reason")
        ids = self.worker.predict(*[json_request('{"do": "raises"}')] * 2)
        answers = self.worker.answers(ids)
        self.assertEqual([answers[job][:2] for job in ids], [("PREDICTION_FAILED", "Prediction failed")] * 2)
        log = self.worker.log()
        self.assertEqual(log.count("RuntimeError: secret reason"), before + 1)
        self.assertIn("Requests: r-%d, r-%d" % tuple(ids), log)

    def test_a_request_that_warms_the_worker_up_fails_with_all_that_is_known_of_why(self) -> None:
        for what, code, message in (
            ("raises", "PREDICTION_FAILED", "RuntimeError: secret reason."),
            ("refuses", "HANDLER_ERROR", "not today"),
            ("memory", "OUT_OF_RESOURCES", "MemoryError."),
            ("starved", "OUT_OF_RESOURCES", "RuntimeError: DefaultCPUAllocator: can't allocate memory: 8 bytes."),
        ):
            (job,) = self.worker.predict(json_request('{"do": "%s"}' % what), warmUp=True)
            found, text, (header,) = self.worker.answers([job])[job]
            self.assertEqual((found, text), (code, message))
            self.assertIn('handler.py", line', header["trace"])
        (job,) = self.worker.predict(json_request('{"do": "raises"}'))
        found, text, (header,) = self.worker.answers([job])[job]
        self.assertEqual((text, header.get("trace")), ("Prediction failed", None))

    def test_a_refusal_keeps_its_words_and_status(self) -> None:
        code, message, (header,) = self.do("refuses")[0]
        self.assertEqual((code, message, header["status"]), ("HANDLER_ERROR", "not today", 429))

    def test_a_refusal_with_a_status_that_http_cannot_carry_becomes_500(self) -> None:
        code, message, (header,) = self.do("refuses_oddly")[0]
        self.assertEqual((code, message, header["status"]), ("HANDLER_ERROR", "no such status", 500))

    def test_running_out_of_memory_has_its_own_code(self) -> None:
        for what in ("cuda", "memory"):
            self.assertEqual(self.do(what)[0][:2], ("OUT_OF_RESOURCES", "Out of resources"))

    def test_exceptions_of_the_oddest_kind_do_not_end_the_worker(self) -> None:
        self.assertEqual(self.do("odd")[0][0], "PREDICTION_FAILED")
        self.assertEqual(self.do("ids", 2)[0][0], "text")

    # --- order and metrics ------------------------------------------------------------------------------------------

    def test_jobs_are_announced_before_they_are_computed_and_metrics_come_with_the_answer(self) -> None:
        ids = self.worker.predict(*[json_request('{"do": "metrics"}')] * 2)
        frames = self.worker.receive_until(lambda frame: frame.header["type"] == "output")
        self.assertEqual(frames[0].header, {"type": "started", "jobs": ids})
        metrics = [frame.header for frame in frames[1:-1]]
        self.assertEqual([metric["name"] for metric in metrics], ["Things", "Took"])
        both = ["r-%d" % job for job in ids]
        self.assertEqual([metric["requestIds"] for metric in metrics], [both, both[:1]])
        self.assertEqual([metric["unit"] for metric in metrics], ["Count", "Milliseconds"])
        self.assertEqual([metric["kind"] for metric in metrics], ["counter", "gauge"])
        for metric in metrics:
            self.assertEqual(metric["dimensions"], [["ModelName", "tested"], ["Level", "Model"]])
        self.assertIn("Failed to update metric with name:Share", self.worker.log())

    def test_the_answer_says_how_long_the_handler_took(self) -> None:
        self.worker.predict(json_request('{"do": "nap"}'))
        frames = self.worker.receive_until(lambda frame: frame.header["type"] == "output")
        self.assertGreaterEqual(frames[-1].header["handlerMs"], 20)

    def test_batches_sent_ahead_are_answered_in_order_and_each_is_announced_before_it_is_computed(self) -> None:
        batches = [self.worker.predict(*[json_request('{"do": "headers"}')] * size) for size in (1, 2, 1)]
        last = batches[-1][-1]
        frames = self.worker.receive_until(
            lambda frame: any(output["job"] == last for output in frame.header.get("outputs", ()))
        )
        seen = []
        for frame in frames:
            ids = frame.header.get("jobs") or [output["job"] for output in frame.header["outputs"]]
            seen.append((frame.header["type"], ids))
        expected = [(kind, ids) for ids in batches for kind in ("started", "output")]
        self.assertEqual(seen, expected)


class Endings(unittest.TestCase):
    def ended(self, what: str) -> int:
        with WorkerDriver({"handler.py": HANDLER}) as worker:
            worker.load()
            (job,) = worker.predict(json_request(json.dumps({"do": what})))
            self.assertEqual(worker.receive_but_metrics().header, {"type": "started", "jobs": [job]})
            self.assertIsNone(worker.receive())
            code = worker.exit_code()
            self.log = worker.log()
            return code

    def test_a_handler_that_exits_ends_the_process_with_its_code(self) -> None:
        self.assertEqual(self.ended("leave"), 7)
        self.assertIn("leaving", self.log)

    def test_a_handler_that_dies_dies(self) -> None:
        self.assertEqual(self.ended("die"), 3)

    def test_a_frame_that_is_no_predict_ends_the_worker(self) -> None:
        with WorkerDriver({"handler.py": HANDLER}) as worker:
            worker.load()
            worker.send({"type": "surprise"})
            self.assertEqual(worker.exit_code(), 1)
            self.assertIn("takes predict, not surprise", worker.log())

    def test_parts_that_do_not_fit_the_inputs_end_the_worker(self) -> None:
        job = {
            "id": 1,
            "requestId": "r",
            "kind": "predict",
            "headers": [],
            "inputs": [{"name": "a", "contentType": ""}],
        }
        for parts in ([], [b"x", b"y"]):
            with WorkerDriver({"handler.py": HANDLER}) as worker:
                worker.load()
                worker.send({"type": "predict", "jobs": [job]}, parts)
                self.assertEqual(worker.exit_code(), 1)


class Lingering(unittest.TestCase):
    def test_an_answer_does_not_wait_for_a_large_batch_behind_it_that_is_still_arriving(self) -> None:
        with WorkerDriver({"handler.py": HANDLER}) as worker:
            worker.load()
            (job,) = worker.predict(json_request('{"do": "headers"}'))
            head, part = encode_frame({"type": "predict", "jobs": []}, [bytes(1000000)])
            # All but the end of a large frame: the worker has begun to read it, and the rest does not come.
            worker.data.sendall(head + part[:-1])
            frames = worker.receive_until(lambda frame: frame.header["type"] == "output")
            self.assertEqual(frames[-1].header["outputs"][0]["job"], job)

    def test_answers_leave_before_the_worker_obeys_a_stop(self) -> None:
        with WorkerDriver({"handler.py": HANDLER}) as worker:
            worker.load()
            (job,) = worker.predict(json_request('{"do": "nap"}'))
            self.assertEqual(worker.receive_but_metrics().header, {"type": "started", "jobs": [job]})
            worker.command(type="stop")
            self.assertEqual(worker.receive_but_metrics().header["outputs"][0]["job"], job)
            self.assertEqual(worker.exit_code(), 0)


class Undecoded(unittest.TestCase):
    def test_without_decoding_every_input_is_bytes(self) -> None:
        source = "def handle(data, context):\n    return data and [type(data[0]['body']).__name__]\n"
        with WorkerDriver({"handler.py": source}) as worker:
            worker.load(decodeInput=False)
            self.assertEqual(worker.ask(json_request("{}"))[0][1], b"bytearray")


class Ranks(unittest.TestCase):
    def test_only_rank_0_answers_jobs_but_every_rank_computes_them(self) -> None:
        source = "def handle(data, context):\n    print('computed', flush=True)\n    return data and ['ok']\n"
        with WorkerDriver({"handler.py": source}, {"LOCAL_RANK": "1"}) as worker:
            self.assertEqual(worker.load(rank=1, worldSize=2).header["type"], "ready")
            worker.predict({})
            worker.command(type="stop")
            self.assertIsNone(worker.receive())
            self.assertEqual(worker.exit_code(), 0)
            self.assertEqual(worker.log().count("computed"), 2)


if __name__ == "__main__":
    unittest.main()
