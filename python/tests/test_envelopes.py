"""Request envelopes: what the handler gets, what the clients get, and that one bad request harms nobody else."""

from __future__ import annotations

import json
import unittest
from typing import Any, Callable, Dict, List, Optional

import packages  # noqa: F401
from ts.context import Context, RequestProcessor
from ts.torch_handler.request_envelope.base import BaseEnvelope
from ts.torch_handler.request_envelope.body import BodyEnvelope
from ts.torch_handler.request_envelope.json import JSONEnvelope
from ts.torch_handler.request_envelope.kfserving import KFservingEnvelope
from ts.torch_handler.request_envelope.kfservingv2 import KFservingv2Envelope
from ts.torch_handler.request_envelope.kserve import KServeEnvelope
from ts.torch_handler.request_envelope.kservev2 import KServev2Envelope
from ts.torch_handler.request_envelope.tensors import described, flattened, nested_values
from ts.utils.util import PredictionException
from worker_driver import WorkerDriver, json_request


def new_context(count: int, headers: Optional[Dict[str, str]] = None) -> Context:
    manifest = {"model": {"modelName": "net", "modelVersion": "2.0"}}
    context = Context("tested", "/models/tested", manifest, 8, None, "0.1.0")
    context.request_processor = [RequestProcessor(dict(headers or {})) for _ in range(count)]
    context.request_ids = {idx: "r-%d" % idx for idx in range(count)}
    return context


class Envelopes(unittest.TestCase):
    def ask(
        self,
        envelope: Callable[..., BaseEnvelope],
        data: List[Dict[str, Any]],
        handle: Callable[[Any], Any] = list,
        **headers: str,
    ) -> Any:
        """The answers to `data`; the rows that the handler got are kept in `self.rows`."""
        self.rows: Any = None
        self.seen = new_context(len(data), headers)

        def keep(rows: Any, context: Any) -> Any:
            self.rows = rows
            return handle(rows)

        return envelope(keep).handle(data, self.seen)

    def assert_refused(self, answer: Any, words: str) -> None:
        self.assertIsInstance(answer, PredictionException)
        self.assertEqual(answer.error_code, 400)
        self.assertIn(words, answer.message)


class BodyAndJson(Envelopes):
    def test_body_gives_the_handler_the_bodies(self) -> None:
        data = [{"data": "a"}, {"body": b"b"}, {"data": "", "body": [3]}]
        self.assertEqual(self.ask(BodyEnvelope, data), ["a", b"b", [3]])

    def test_json_joins_the_instances_of_all_requests_and_divides_the_results(self) -> None:
        data = [
            {"body": {"instances": [1, 2]}},
            {"data": {"instances": [{"b64": "YQ=="}, {"x": {"b64": "YQ=="}, "y": 1}]}},
        ]
        answers = self.ask(JSONEnvelope, data, lambda rows: [0.5, 1, "a", None])
        self.assertEqual(self.rows, [1, 2, b"a", {"x": b"a", "y": 1}])
        self.assertEqual(answers, ['{"predictions": [0.5, 1]}', '{"predictions": ["a", null]}'])

    def test_json_takes_bodies_of_bytes_and_rows_that_are_the_body(self) -> None:
        answers = self.ask(JSONEnvelope, [{"body": bytearray(b'{"instances": [1]}')}, {"instances": [2]}])
        self.assertEqual(answers, ['{"predictions": [1]}', '{"predictions": [2]}'])

    def test_a_request_without_instances_is_refused_alone(self) -> None:
        data = [
            {"body": {"instances": [1]}},
            {"body": {"instance": [2]}},
            {"body": b"{"},
            {"body": [1]},
            {"body": {"instances": [{"b64": 5}]}},
            {"body": {"instances": [6]}},
        ]
        answers = self.ask(JSONEnvelope, data)
        self.assertEqual(self.rows, [1, 6])
        self.assertEqual((answers[0], answers[5]), ('{"predictions": [1]}', '{"predictions": [6]}'))
        self.assert_refused(answers[1], "the body must have instances, a list")
        self.assert_refused(answers[2], "the body is not JSON")
        self.assert_refused(answers[3], "the body must be a JSON object")
        self.assert_refused(answers[4], "b64 must be text in base64")

    def test_a_handler_is_not_called_for_nothing(self) -> None:
        self.assert_refused(self.ask(JSONEnvelope, [{"body": {}}])[0], "instances")
        self.assertIsNone(self.rows)
        self.assertEqual(self.ask(KServeEnvelope, [{"body": {"instances": []}}]), [{"predictions": []}])
        self.assertIsNone(self.rows)

    def test_what_json_cannot_say_is_left_to_the_worker(self) -> None:
        fine, odd = self.ask(
            JSONEnvelope, [{"body": {"instances": [1]}}, {"body": {"instances": [2]}}], lambda rows: [1, {2}]
        )
        self.assertEqual((fine, odd), ('{"predictions": [1]}', {"predictions": [{2}]}))


class KServe(Envelopes):
    def test_every_request_of_a_batch_gets_its_own_predictions(self) -> None:
        for envelope in (KServeEnvelope, KFservingEnvelope):
            data = [{"body": {"instances": [1, 2]}}, {"body": b'{"instances": [3]}'}, {"data": {"instances": []}}]
            answers = self.ask(envelope, data, lambda rows: [row * 10 for row in rows])
            self.assertEqual(self.rows, [1, 2, 3])
            self.assertEqual(answers, [{"predictions": [10, 20]}, {"predictions": [30]}, {"predictions": []}])

    def test_explanations_are_called_so(self) -> None:
        (answer,) = self.ask(KServeEnvelope, [{"body": {"instances": [1]}}], explain="True")
        self.assertEqual(answer, {"explanations": [1]})

    def test_a_single_request_gets_all_results_however_many_there_are(self) -> None:
        (answer,) = self.ask(KServeEnvelope, [{"body": {"instances": [1, 2]}}], lambda rows: ["one for all"])
        self.assertEqual(answer, {"predictions": ["one for all"]})

    def test_results_that_cannot_be_divided_fail_with_the_counts(self) -> None:
        data = [{"body": {"instances": [1, 2]}}, {"body": {"instances": [3]}}]
        with self.assertRaisesRegex(ValueError, "2 results for the 3 rows of 2 requests"):
            self.ask(KServeEnvelope, data, lambda rows: [1, 2])

    def test_an_exception_among_the_results_ends_its_own_request(self) -> None:
        failure = PredictionException("no such thing", 404)
        data = [{"body": {"instances": [1, 2]}}, {"body": {"instances": [3]}}]
        answers = self.ask(KServeEnvelope, data, lambda rows: [1, failure, 3])
        self.assertEqual(answers, [failure, {"predictions": [3]}])

    def test_none_is_the_workers_to_refuse(self) -> None:
        self.assertIsNone(self.ask(KServeEnvelope, [{"body": {"instances": [1]}}], lambda rows: None))

    def test_a_description_passes_without_an_envelope(self) -> None:
        self.assertEqual(
            self.ask(KServeEnvelope, [{}], lambda rows: [{"about": "me"}], describe="True"), [{"about": "me"}]
        )
        self.assertEqual(self.rows, [{}])


class KServeV2(Envelopes):
    @staticmethod
    def request(*inputs: Dict[str, Any], **fields: Any) -> Dict[str, Any]:
        return {"body": dict({"inputs": list(inputs)}, **fields)}

    def test_results_are_named_after_the_inputs_and_typed(self) -> None:
        given = {"name": "i0", "datatype": "BYTES", "shape": [1], "data": ["x"]}
        for result, output in (
            (7, {"name": "i0", "datatype": "INT64", "data": [7], "shape": [1]}),
            ([1.5, 2], {"name": "i0", "datatype": "FP64", "data": [1.5, 2], "shape": [2]}),
            ("cat", {"name": "i0", "datatype": "BYTES", "data": ["cat"], "shape": [1]}),
            (True, {"name": "i0", "datatype": "BOOL", "data": [True], "shape": [1]}),
        ):
            (answer,) = self.ask(KServev2Envelope, [self.request(given, id="a")], lambda rows, result=result: [result])
            expected = {"id": "a", "model_name": "net", "model_version": "2.0", "outputs": [output]}
            self.assertEqual(answer, expected)
        self.assertEqual(self.rows, [dict(given, data="x")])
        self.assertEqual((self.seen.input_names, self.seen.input_request_id), (["i0"], "a"))

    def test_every_request_of_a_batch_has_its_own_id_names_and_outputs(self) -> None:
        one = {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 0.1]}
        two = {"name": "b", "datatype": "INT8", "shape": [1, 2], "data": [[4, 5]]}
        data = [self.request(one, two, id="first"), self.request({"name": "bad"}), self.request(two)]
        answers = self.ask(KFservingv2Envelope, data, lambda rows: [1, 2, 3])
        self.assertEqual([row["data"] for row in self.rows], [[[1, 2], [3, 0.10000000149011612]], [[4, 5]], [[4, 5]]])
        self.assertEqual((answers[0]["id"], answers[2]["id"]), ("first", "r-2"))
        self.assertEqual([output["name"] for output in answers[0]["outputs"]], ["a", "b"])
        self.assertEqual(answers[2]["outputs"][0]["data"], [3])
        self.assert_refused(answers[1], "input bad has the datatype None")

    def test_an_id_does_not_stay_for_the_next_request(self) -> None:
        envelope = KServev2Envelope(lambda rows, context: [1])
        given = {"name": "i", "datatype": "BYTES", "shape": [1], "data": ["x"]}
        for own, shown, kept in (("mine", "mine", "mine"), (" ", "r-0", None), (None, "r-0", None)):
            context = new_context(1)
            (answer,) = envelope.handle([self.request(given, id=own)], context)
            self.assertEqual((answer["id"], context.input_request_id), (shown, kept))

    def test_several_texts_stay_together(self) -> None:
        self.ask(KServev2Envelope, [self.request({"name": "i", "datatype": "BYTES", "shape": [2], "data": ["x", "y"]})])
        self.assertEqual(self.rows[0]["data"], ["x", "y"])

    def test_more_results_than_inputs_fail_the_request(self) -> None:
        given = {"name": "i", "datatype": "BYTES", "shape": [1], "data": ["x"]}
        (answer,) = self.ask(KServev2Envelope, [self.request(given)], lambda rows: [1, 2])
        self.assertIsInstance(answer, IndexError)


class Tensors(unittest.TestCase):
    def nested(self, datatype: str, shape: Any, data: Any) -> Any:
        return nested_values({"name": "i", "datatype": datatype, "shape": shape, "data": data})

    def test_values_are_nested_by_their_shape(self) -> None:
        self.assertEqual(self.nested("INT64", [2, 1, 2], [1, 2, 3, 4]), [[[1, 2]], [[3, 4]]])
        self.assertEqual(self.nested("INT64", [], [5]), 5)
        self.assertEqual(self.nested("INT64", [2, 0], []), [[], []])
        self.assertEqual(self.nested("UINT8", [2], [1.0, 255]), [1, 255])
        self.assertEqual(self.nested("FP16", [1], [0.1]), [0.0999755859375])
        self.assertEqual(self.nested("BOOL", [2], [1, 0]), [True, False])

    def test_values_that_do_not_fit_are_refused_with_the_inputs_name(self) -> None:
        for datatype, shape, data, words in (
            ("INT8", [1], [200], "input i has values that are no INT8"),
            ("INT8", [1], [1.5], "input i has values that are no INT8"),
            ("FP32", [1], ["a"], "input i has values that are no FP32"),
            ("FP16", [1], [1e9], "input i has values that are no FP16"),
            ("FP32", [2, 2], [1, 2, 3], "input i has 3 values, and its shape [2, 2] asks for 4"),
            ("FP32", "2", [1, 2], "input i must have shape"),
            ("FP32", [-1], [1], "input i must have shape"),
            ("FP8", [1], [1], "input i has the datatype FP8"),
        ):
            with self.assertRaises(PredictionException) as caught:
                self.nested(datatype, shape, data)
            self.assertIn(words, caught.exception.message)
            self.assertEqual(caught.exception.error_code, 400)

    def test_results_that_bring_their_type_keep_it(self) -> None:
        class Tensor:
            dtype = "torch.float32"

            def tolist(self) -> Any:
                return [[1.0, 2.0], [3.0, 4.0]]

        self.assertEqual(described(Tensor()), ("FP32", [1.0, 2.0, 3.0, 4.0]))
        self.assertEqual(flattened([Tensor(), 5, (6, [7])]), [1.0, 2.0, 3.0, 4.0, 5, 6, 7])
        self.assertEqual(described([True, 2]), ("INT64", [1, 2]))
        self.assertEqual(described([1, "a"])[0], "BYTES")


HANDLER = """
    from ts.utils.util import PredictionException

    def handle(data, context):
        if data is None:
            return
        return [PredictionException("no %s here" % row, 404) if row == 4 else row * 10 for row in data]
"""


class InAWorker(unittest.TestCase):
    def test_a_batch_of_kserve_requests_is_answered_each_by_itself(self) -> None:
        with WorkerDriver({"handler.py": HANDLER}) as worker:
            self.assertEqual(worker.load(envelope="kserve", batchSize=8).header["type"], "ready")
            bodies = ['{"instances": [1, 2]}', '{"wrong": 1}', '{"instances": [3, 4]}', '{"instances": [5]}']
            answers = worker.ask(*map(json_request, bodies))
        self.assertEqual([answer[0] for answer in answers], ["json", "HANDLER_ERROR", "HANDLER_ERROR", "json"])
        self.assertEqual(json.loads(answers[0][1]), {"predictions": [10, 20]})
        self.assertEqual((answers[1][1], answers[1][2][0]["status"]), ("the body must have instances, a list", 400))
        self.assertEqual((answers[2][1], answers[2][2][0]["status"]), ("no 4 here", 404))
        self.assertEqual(json.loads(answers[3][1]), {"predictions": [50]})

    def test_the_text_of_the_json_envelope_is_declared_as_json(self) -> None:
        with WorkerDriver({"handler.py": HANDLER}) as worker:
            worker.load(envelope="json")
            self.assertEqual(worker.ask(json_request('{"instances": [1]}'))[0][:2], ("json", b'{"predictions": [10]}'))

    def test_an_async_handler_is_wrapped_for_each_of_its_concurrent_requests(self) -> None:
        handler = """
            import asyncio

            class Handler:
                def initialize(self, context):
                    self.both = asyncio.Event()
                    self.count = 0
                async def handle(self, data, context):
                    self.count += 1
                    if self.count == 2:
                        self.both.set()
                    await self.both.wait()
                    return [row * 10 for row in data]
        """
        files = {
            "handler.py": handler,
            "MAR-INF/MANIFEST.json": json.dumps({"model": {"configFile": "model-config.yaml"}}),
            "model-config.yaml": "asyncCommunication: true\n",
            "yaml.py": "YAMLError = ValueError\ndef safe_load(file):\n    return {'asyncCommunication': True}\n",
        }
        with WorkerDriver(files) as worker:
            worker.load(envelope="kserve")
            ids = worker.predict(json_request('{"instances": [1]}'), json_request('{"instances": [2, 3]}'))
            answers = worker.answers(ids)
        self.assertEqual([json.loads(answers[job][1])["predictions"] for job in ids], [[10], [20, 30]])


if __name__ == "__main__":
    unittest.main()
