"""Handlers with async functions in a real worker: many requests at a time, each with a context of its own."""

from __future__ import annotations

import json
import tempfile
import unittest

import packages  # noqa: F401
from worker_driver import WorkerDriver

HANDLER = """
    import asyncio, sys

    from ts.handler_utils.utils import send_intermediate_predict_response as send


    class Handler:
        def initialize(self, context):
            self.met = asyncio.Event()
            self.waiting = 0

        async def handle(self, data, context):
            return await getattr(self, bytes(data[0]["do"]).decode())(data, context)

        async def meet(self, data, context):
            # Answers only once two requests are here at the same time.
            context.mark = self.waiting
            self.waiting += 1
            if self.waiting == 2:
                self.met.set()
            await self.met.wait()
            return ["%s %d" % (context.get_request_id(), context.mark)]

        async def stream(self, data, context):
            for word in ("a ", "b "):
                send([word], context.request_ids, "ok", 200, context)
                await asyncio.sleep(0)
            return ["c"]

        async def flood(self, data, context):
            # As handlers that were written for TorchServe do: nobody waits for the client.
            for _ in range(40):
                send([b"x" * 65536], context.request_ids, "ok", 200, context)
            return ["sent all"]

        async def patient(self, data, context):
            for number in range(40):
                print("sends %d" % number, flush=True)
                await send([b"x" * 65536], context.request_ids, "ok", 200, context)
            return ["end"]

        async def raises(self, data, context):
            raise ValueError("async")

        async def forever(self, data, context):
            try:
                await asyncio.Event().wait()
            finally:
                print("released", flush=True)

        async def leave(self, data, context):
            sys.exit(9)
"""
FILES = {
    "handler.py": HANDLER,
    "MAR-INF/MANIFEST.json": json.dumps({"model": {"modelName": "tested", "configFile": "model-config.yaml"}}),
    "model-config.yaml": "asyncCommunication: true\n",
    # The worker takes the server's reading of the configuration, whatever this interpreter has installed.
    "yaml.py": "raise ImportError('not here')\n",
}


def do(what: str) -> dict:
    return {"inputs": {"do": ("", what.encode())}}


class AsyncHandlers(unittest.TestCase):
    def setUp(self) -> None:
        self.worker = WorkerDriver(FILES)
        self.addCleanup(self.worker.__exit__)
        ready = self.worker.load(modelConfig={"asyncCommunication": True})
        self.assertEqual(ready.header["type"], "ready", ready.header)
        self.assertGreater(ready.header["capacity"], 1)

    def let_another_pass(self) -> None:
        """Has another request answered in full, with what came before."""
        (other,) = self.worker.predict(do("stream"))
        self.worker.receive_until(
            lambda frame: any(each["last"] and each["job"] == other for each in frame.header.get("outputs", []))
        )

    def test_requests_are_computed_at_the_same_time_with_contexts_of_their_own(self) -> None:
        first = self.worker.predict(do("meet"))
        second = self.worker.predict(do("meet"))
        found = self.worker.answers([*first, *second])
        self.assertEqual([found[job][1] for job in (1, 2)], [b"r-1 0", b"r-2 1"])

    def test_the_jobs_of_one_predict_are_independent(self) -> None:
        answers = self.worker.ask(do("meet"), do("raises"), do("meet"), do("stream"))
        self.assertEqual([answer[0] for answer in answers], ["text", "PREDICTION_FAILED", "text", "text"])
        self.assertEqual(answers[3][1], b"a b c")

    def test_large_values_are_there_when_the_event_loop_gets_their_request(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"...raises...")
            file.flush()
            answers = self.worker.ask({"files": {"do": (file.name, 3, 6)}}, {"files": {"do": ("/no/such/file", 0, 1)}})
        self.assertEqual([answer[0] for answer in answers], ["PREDICTION_FAILED", "PREDICTION_FAILED"])
        self.assertIn("ValueError: async", self.worker.log())
        self.assertIn("could not be read", self.worker.log())

    def test_cancelling_a_request_cancels_its_task(self) -> None:
        (job,) = self.worker.predict(do("forever"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        self.worker.command(type="cancel", jobs=[job])
        self.assertEqual(self.worker.answers([job])[job][1], b"")
        self.assertIn("released", self.worker.log())

    def test_a_stream_that_nobody_reads_fails_when_too_much_of_it_is_kept(self) -> None:
        (slow,) = self.worker.predict(do("flood"))
        found = self.worker.answers([slow])[slow]
        self.assertEqual(found[0], "READER_TOO_SLOW")
        self.assertIn("1024 KiB", found[1])
        self.assertEqual(self.worker.ask(do("stream"))[0][1], b"a b c")

    def test_awaiting_a_part_holds_the_coroutine_until_its_client_reads_on(self) -> None:
        (slow,) = self.worker.predict(do("patient"))
        # 262144 bytes of credit are four parts; the sender of the fourth waits.
        self.let_another_pass()
        self.assertIn("sends 3", self.worker.log())
        self.assertNotIn("sends 4", self.worker.log())
        self.worker.command(type="credit", job=slow, bytes=40 * 65536)
        kind, body, _ = self.worker.answers([slow])[slow]
        self.assertEqual(len(body), 36 * 65536 + 3)

    def test_a_client_that_leaves_wakes_a_coroutine_that_waits_for_it(self) -> None:
        (slow,) = self.worker.predict(do("patient"))
        self.let_another_pass()
        self.worker.command(type="cancel", jobs=[slow])
        self.assertEqual(self.worker.answers([slow])[slow][1], b"")

    def test_stop_waits_for_the_open_requests(self) -> None:
        first = self.worker.predict(do("meet"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        second = self.worker.predict(do("meet"))
        self.worker.command(type="stop")
        self.assertEqual(len(self.worker.answers([*first, *second])), 2)
        self.assertEqual(self.worker.exit_code(), 0)

    def test_a_handler_that_exits_ends_the_process_with_its_code(self) -> None:
        self.worker.predict(do("leave"))
        self.assertEqual(self.worker.exit_code(), 9)

    def test_what_is_no_predict_ends_the_worker(self) -> None:
        self.worker.send({"type": "surprise"})
        self.assertEqual(self.worker.exit_code(), 1)
        self.assertIn("takes predict, not surprise", self.worker.log())


class WithoutTheSetting(unittest.TestCase):
    def test_an_async_handler_is_told_which_setting_it_needs(self) -> None:
        source = "class A:\n  def initialize(self, c): pass\n  async def handle(self, data, context): return ['ok']\n"
        with WorkerDriver({"handler.py": source}) as worker:
            self.assertEqual(worker.load().header["type"], "ready")
            code, message, _ = worker.ask({})[0]
            self.assertEqual(code, "OUTPUT_NOT_A_LIST")
            self.assertIn("asyncCommunication: true", message)


class AsyncLoading(unittest.TestCase):
    CONFIG = {"asyncCommunication": True}
    CLASS = """
        import asyncio

        class Handler:
            async def initialize(self, context):
                await asyncio.sleep(0)
                self.word = open("word.txt").read()

            async def handle(self, data, context):
                return [self.word]
    """
    FUNCTION = """
        words = []

        async def handle(data, context):
            if data is not None:
                return words * 1
            words.append("function")
    """

    def test_a_load_that_is_a_coroutine_is_awaited(self) -> None:
        for source, word in ((self.CLASS, b"class"), (self.FUNCTION, b"function")):
            with WorkerDriver(dict(FILES, **{"handler.py": source, "word.txt": "class"})) as worker:
                self.assertEqual(worker.load(modelConfig=self.CONFIG).header["type"], "ready")
                self.assertEqual(worker.ask({})[0][1], word)

    def test_async_handlers_are_known_behind_decorators_and_as_callable_objects(self) -> None:
        decorated = """
            import asyncio, functools

            def logged(function):
                @functools.wraps(function)
                def call(*args):
                    return function(*args)
                return call

            class Handler:
                def initialize(self, context): pass
                @logged
                async def handle(self, data, context): return ["ok"]
        """
        callable_object = """
            class Late:
                async def __call__(self, data, context): return data and ["ok"]
            handle = Late()
        """
        for source in (decorated, callable_object):
            with WorkerDriver(dict(FILES, **{"handler.py": source})) as worker:
                worker.load(modelConfig=self.CONFIG)
                self.assertEqual(worker.ask({})[0][1], b"ok")

    def test_an_async_generator_is_told_how_to_stream(self) -> None:
        source = "async def handle(data, context):\n    yield 'ok'\n"
        with WorkerDriver(dict(FILES, **{"handler.py": source})) as worker:
            worker.load(modelConfig=self.CONFIG)
            code, message, _ = worker.ask({})[0]
            self.assertEqual(code, "OUTPUT_NOT_A_LIST")
            self.assertIn("send_intermediate_predict_response", message)
            self.assertNotIn("asyncCommunication", message)

    def test_what_it_raises_fails_the_load(self) -> None:
        with WorkerDriver(dict(FILES, **{"handler.py": self.CLASS})) as worker:
            header = worker.load(modelConfig=self.CONFIG).header
            self.assertEqual((header["type"], header["code"]), ("error", "MODEL_FILE_NOT_FOUND"))
            self.assertIn("word.txt", header["message"])

    def test_without_an_event_loop_the_load_fails_and_says_what_to_set(self) -> None:
        for source in (self.CLASS, self.FUNCTION):
            with WorkerDriver({"handler.py": source}) as worker:
                header = worker.load().header
                self.assertEqual((header["type"], header["code"]), ("error", "HANDLER_INITIALIZE_FAILED"))
                self.assertIn("asyncCommunication: true", header["message"])


if __name__ == "__main__":
    unittest.main()
