"""What handlers return, as bytes, heads and errors."""

from __future__ import annotations

import collections
import enum
import json
import random
import unittest
from typing import Any

import packages  # noqa: F401
from sconce_worker.pretty_json import pretty_json
from sconce_worker.results import JobError, check_results, encode_result, response_head
from ts.context import RequestProcessor


class Colour(enum.IntEnum):
    RED = 3


Point = collections.namedtuple("Point", "x y")


def random_value(source: random.Random, depth: int) -> Any:
    kind = source.randrange(10 if depth else 6)
    if kind < 6:
        texts = ["", "a", "größe", '\n"\\', "🎈", "\ud800"]
        return [None, True, source.randrange(-(10**20), 10**20), source.random(), source.choice(texts), float("inf")][
            kind
        ]
    items = [random_value(source, depth - 1) for _ in range(source.randrange(4))]
    if kind < 8:
        return items if kind == 6 else tuple(items)
    keys = [source.choice(["a", "b", "ü", 1, 2.5, None, True, "1"]) for _ in items]
    return dict(zip(keys, items))


class PrettyJson(unittest.TestCase):
    def test_any_value_reads_as_the_standard_library_writes_it(self) -> None:
        source = random.Random(7)
        for _ in range(3000):
            value = random_value(source, 4)
            self.assertEqual(pretty_json(value), json.dumps(value, indent=2), repr(value))

    def test_subclasses_of_the_plain_types_are_written_like_them(self) -> None:
        ordered = collections.OrderedDict([("b", Colour.RED), ("a", Point(1, [Colour.RED]))])
        for value in (ordered, [ordered, Colour.RED], Colour.RED, {Colour.RED: 1}, Point(1, 2)):
            self.assertEqual(pretty_json(value), json.dumps(value, indent=2))


class Encoding(unittest.TestCase):
    def test_each_type_says_how_it_was_encoded(self) -> None:
        self.assertEqual(encode_result("grüße", 0, 0), ("text", "grüße".encode("utf-8")))
        self.assertEqual(encode_result(b"\x00", 0, 0), ("binary", b"\x00"))
        self.assertEqual(encode_result(bytearray(b"\x01"), 0, 0), ("binary", b"\x01"))
        self.assertEqual(encode_result({"ok": True}, 0, 0), ("json", b'{\n  "ok": true\n}'))
        self.assertEqual(encode_result(None, 0, 0), ("json", b"null"))
        self.assertEqual(encode_result(float("nan"), 0, 0), ("json", b"NaN"))

    def test_what_json_cannot_say_names_its_index_and_type(self) -> None:
        circular: Any = []
        circular.append(circular)
        for result, name in (
            (object(), "object"),
            ({1, 2}, "set"),
            ([b"x"], "list"),
            (circular, "list"),
            ("\ud800", "str"),
        ):
            with self.assertRaises(JobError) as caught:
                encode_result(result, 3, 0)
            self.assertEqual(caught.exception.code, "OUTPUT_NOT_SERIALISABLE")
            self.assertIn("Result 3 of the handler (type %s)" % name, caught.exception.message)

    def test_an_answer_over_the_limit_names_both_sizes(self) -> None:
        self.assertEqual(encode_result("1234", 0, 4).value, b"1234")
        with self.assertRaises(JobError) as caught:
            encode_result("12345", 0, 4)
        self.assertEqual(caught.exception.code, "RESPONSE_TOO_LARGE")
        self.assertIn("5 bytes; max_response_size allows 4", caught.exception.message)


class Shape(unittest.TestCase):
    def refusal(self, results: Any, expected: int) -> JobError:
        with self.assertRaises(JobError) as caught:
            check_results(results, expected)
        return caught.exception

    def test_what_is_no_list_is_named(self) -> None:
        error = self.refusal("OK", 4)
        self.assertEqual(error.code, "OUTPUT_NOT_A_LIST")
        self.assertEqual(
            error.message, "The handler returned a str where a list of 4 results, one for each request, was expected."
        )
        self.assertIn("a tuple where a list of 1 result was expected", self.refusal(("OK",), 1).message)

    def test_a_list_of_another_length_is_counted(self) -> None:
        error = self.refusal([1, 2], 3)
        self.assertEqual(error.code, "OUTPUT_WRONG_LENGTH")
        self.assertIn("a list of length 2 where a list of 3 results", error.message)

    def test_a_coroutine_gets_the_setting_that_it_needs(self) -> None:
        async def handle() -> None:
            pass

        coroutine = handle()
        self.assertIn("asyncCommunication: true", self.refusal(coroutine, 1).message)
        coroutine.close()


class Heads(unittest.TestCase):
    def processor(self, status: Any = 200, reason: Any = None, **headers: Any) -> RequestProcessor:
        processor = RequestProcessor({})
        processor.report_status(status, reason)
        for name, value in headers.items():
            processor.add_response_property(name, value)
        return processor

    def test_an_untouched_request_has_nothing_to_say(self) -> None:
        self.assertEqual(response_head(self.processor()), {})
        self.assertEqual(response_head(None), {})

    def test_status_reason_and_headers_are_said_as_set(self) -> None:
        head = response_head(self.processor(418, "Teapot", x="y"), ("ts_stream_next", "true"))
        self.assertEqual(head, {"status": 418, "reason": "Teapot", "headers": [["x", "y"], ["ts_stream_next", "true"]]})

    def test_an_error_of_any_length_fits_into_a_frame(self) -> None:
        self.assertLess(len(JobError("HANDLER_ERROR", "x" * 20000000, 400).message), 70000)

    def test_what_http_cannot_carry_is_refused(self) -> None:
        bad = [
            self.processor(x=1),
            self.processor(x=None),
            self.processor(x="a\r\nset-cookie: b"),
            self.processor(x="日本"),
            self.processor(**{"a b": "c"}),
            self.processor(**{"": "c"}),
            self.processor(reason="a\nb"),
            self.processor(x="a" * 70000),
            self.processor(status=99),
            self.processor(status=1000),
            self.processor(status=-1),
            self.processor(status="200"),
            self.processor(status=True),
        ]
        for processor in bad:
            with self.assertRaises(JobError) as caught:
                response_head(processor)
            self.assertEqual(caught.exception.code, "OUTPUT_HEADER_INVALID")
            self.assertNotIn("\n", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
