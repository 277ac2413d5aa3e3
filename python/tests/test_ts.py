"""The import surface `ts` that needs nothing but the standard library."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import types
import unittest
import warnings
from typing import Any, List, Tuple
from unittest import mock

from packages import PACKAGES_DIR
from ts.context import Context, RequestProcessor
from ts.handler_utils.timer import timed
from ts.handler_utils.utils import import_class, send_intermediate_predict_response
from ts.metrics.caching_metric import CachingMetric
from ts.metrics.dimension import Dimension
from ts.metrics.metric_cache_errors import (
    GeneralMetricsCacheError,
    MetricsCacheKeyError,
    MetricsCacheTypeError,
    MetricsCacheValueError,
)
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_sink import set_metric_sink
from ts.metrics.metric_type_enum import MetricTypes
from ts.metrics.unit import Units
from ts.protocol import otf_message_handler
from ts.utils import util


def new_context(**fields: Any) -> Context:
    return Context("tested", "/models/tested", {"model": {}}, 4, None, "0.1.0", **fields)


class ImportSurface(unittest.TestCase):
    def test_importing_it_all_imports_nothing_that_is_not_of_the_standard_library(self) -> None:
        names = [
            "ts", "ts.version", "ts.context", "ts.utils.util", "ts.handler_utils.utils", "ts.handler_utils.timer",
            "ts.protocol.otf_message_handler", "ts.metrics.metric_cache_yaml_impl", "ts.torch_handler", "sconce_worker.worker",
        ]  # fmt: skip
        code = "import sys\nimport %s\nprint([m for m in ('torch', 'yaml', 'numpy', 'psutil', 'asyncio') if m in sys.modules])"
        done = subprocess.run(
            [sys.executable, "-c", code % ", ".join(names)],
            env=dict(os.environ, PYTHONPATH=PACKAGES_DIR),
            stdout=subprocess.PIPE,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stdout.strip()), (0, b"[]"))

    def test_the_version_is_that_of_the_surface(self) -> None:
        self.assertTrue(re.fullmatch(r"\d+\.\d+\.\d+", importlib.import_module("ts").__version__))


class Contexts(unittest.TestCase):
    def test_during_the_load_there_are_no_requests(self) -> None:
        context = new_context()
        self.assertIsNone(context.request_ids)
        self.assertIsNone(context.request_processor)
        self.assertIsNone(context.get_request_id())
        self.assertIsNone(context.cl_socket)
        self.assertFalse(context.is_cancelled())
        context.set_response_status(500)
        context.set_all_response_status(500)
        with self.assertRaises(TypeError):
            context.get_request_header(0, "a")

    def test_it_is_plain_writable_copyable_and_compared_by_value(self) -> None:
        context = new_context(model_yaml_config={"a": 1})
        context.kv_cache = {}
        context.request_ids = {0: "r"}
        twin = copy.deepcopy(context)
        self.assertEqual(twin, context)
        twin.kv_cache["a"] = 1
        self.assertNotEqual(twin, context)
        context.metrics = "mine"
        self.assertEqual(context.metrics, "mine")

    def test_request_headers_are_looked_up_by_their_exact_name(self) -> None:
        context = new_context()
        context.request_processor = [RequestProcessor({"Accept": "text/html", "ts_request_sequence_id": "s-1"})]
        self.assertEqual(context.get_request_header(0, "Accept"), "text/html")
        self.assertIsNone(context.get_request_header(0, "accept"))
        self.assertEqual(context.get_sequence_id(0), "s-1")
        self.assertEqual(context.get_response_status(0), (200, None))
        self.assertIsNone(context.get_response_content_type(0))

    def test_sequence_headers_take_their_names_from_the_environment(self) -> None:
        with mock.patch.dict(os.environ, {"TS_REQUEST_SEQUENCE_ID": "my-id"}):
            self.assertEqual(new_context().header_key_sequence_id, "my-id")
        self.assertEqual(new_context().header_key_sequence_end, "ts_request_sequence_end")

    def test_outside_a_worker_a_part_cannot_be_sent(self) -> None:
        with self.assertRaises(RuntimeError):
            send_intermediate_predict_response(["a"], {0: "r"}, "ok", 200, new_context())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with self.assertRaises(RuntimeError):
                otf_message_handler.send_intermediate_predict_response(["a"], {0: "r"}, "ok", 200, new_context())
        self.assertIs(caught[0].category, PendingDeprecationWarning)

    def test_ranks_other_than_0_send_no_parts(self) -> None:
        with mock.patch.dict(os.environ, {"LOCAL_RANK": "1"}):
            send_intermediate_predict_response(["a"], {0: "r"}, "ok", 200, new_context())


class Utilities(unittest.TestCase):
    def test_classes_to_labels(self) -> None:
        self.assertEqual(util.map_class_to_label([[0.1, 0.9]]), [{"0": 0.1, "1": 0.9}])
        labels = {"5": "cat", "6": "dog"}
        self.assertEqual(util.map_class_to_label([[0.7, 0.3]], labels, [[6, 5]]), [{"dog": 0.7, "cat": 0.3}])
        for arguments, words in (
            ((((0.1,),),), "Convert classes to list"),
            (([[0.1]], ["a"]), "Mapping must be a dict"),
        ):
            with self.assertRaisesRegex(Exception, words):
                util.map_class_to_label(*arguments)

    def mapping(self, content: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "index_to_name.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(content, file)
            return util.load_label_mapping(path)

    def test_label_mappings(self) -> None:
        self.assertEqual(self.mapping({"0": "cat", "1": ["n02", "dog"]}), {"0": "cat", "1": "dog"})
        self.assertEqual(self.mapping({"object_type_names": ["a", "b"]}), {"0": "a", "1": "b"})
        self.assertIsNone(util.load_label_mapping("/no/such/file.json"))
        with self.assertRaisesRegex(Exception, 'should be in "class": "label" format'):
            self.mapping(["a"])
        with self.assertRaisesRegex(Exception, "must be either str or List"):
            self.mapping({"0": 1})

    def test_prediction_exceptions(self) -> None:
        error = util.PredictionException("no", 513)
        self.assertEqual((error.message, error.error_code, str(error), error.args), ("no", 513, "no : 513", ("no",)))
        self.assertEqual(util.PredictionException("no").error_code, 500)

    def test_html_is_cleaned_away(self) -> None:
        self.assertEqual(util.CLEANUP_REGEX.sub("", "a<b>c</b>&amp;d&#12;e&#xff;"), "acde")

    def test_own_classes_in_alphabetical_order(self) -> None:
        module = types.ModuleType("made_up")
        exec("class B: pass\nclass A(B): pass\nfrom collections import OrderedDict\nx = 1", module.__dict__)
        self.assertEqual([each.__name__ for each in util.list_classes_from_module(module)], ["A", "B"])
        self.assertEqual(util.list_classes_from_module(module, module.A), [module.A])

    def test_compile_backends(self) -> None:
        self.assertTrue(util.check_valid_pt2_backend("inductor"))
        self.assertFalse(util.check_valid_pt2_backend("INDUCTOR"))
        self.assertEqual(util.PT2Backend.OPENVINO, "openvino")

    def test_deprecated_functions_warn_at_each_call(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.assertEqual(util.deprecated("2.0", "other", DeprecationWarning)(lambda: 5)(), 5)
        self.assertIn("Use other instead", str(caught[0].message))

    def test_classes_by_their_dotted_names(self) -> None:
        self.assertIs(import_class("context.Context", "ts"), Context)
        self.assertIs(import_class("ts.context.Context"), Context)
        for name in ("ts.context.Nothing", "ts.no_such.Thing", "Thing"):
            with self.assertRaises(ImportError):
                import_class(name)


class Metrics(unittest.TestCase):
    def setUp(self) -> None:
        self.seen: List[Tuple[Any, ...]] = []
        set_metric_sink(lambda *report: self.seen.append(report))
        self.addCleanup(set_metric_sink, None)
        self.cache = MetricsCacheYamlImpl(None)
        self.cache.initialize_cache()
        self.cache.model_name = "m1"
        self.cache.set_request_ids({0: "r-1", 1: "r-2"})

    MODEL = [("ModelName", "m1"), ("Level", "Model")]

    def test_the_workers_own_metrics_are_known(self) -> None:
        self.assertEqual(self.cache.cache_keys(), ["gauge:HandlerTime", "gauge:PredictionTime"])

    def test_each_method_reports_its_unit_and_kind(self) -> None:
        self.cache.add_counter("C", 1)
        self.cache.add_time("T", 2.5, unit="s")
        self.cache.add_size("S", 3, idx=1, unit="kB")
        self.cache.add_percent("P", 4)
        self.cache.add_metric("H", 5, "things", metric_type=MetricTypes.HISTOGRAM)
        self.cache.add_error("E", 6)
        both, level = ["r-1", "r-2"], [("Level", "Error")]
        expected = [
            ("C", "Count", 1, "counter", self.MODEL, both),
            ("T", "Seconds", 2.5, "gauge", self.MODEL, both),
            ("S", "Kilobytes", 3, "gauge", self.MODEL, ["r-2"]),
            ("P", "Percent", 4, "gauge", self.MODEL, both),
            ("H", "things", 5, "histogram", self.MODEL, both),
            ("E", "unit", 6, "counter", level, both),
        ]
        self.assertEqual(self.seen, expected)

    def test_a_copied_context_has_ids_of_its_own_and_the_metrics_of_all(self) -> None:
        twin = copy.deepcopy(new_context(metrics=self.cache)).metrics
        twin.set_request_ids({0: "r-9"})
        twin.add_metric_to_cache("Mine", "count").add_or_update(1)
        twin.add_time("Step", 2)
        self.cache.get_metric("Mine").add_or_update(3)
        self.cache.add_time("Step", 4)
        self.assertEqual([report[5] for report in self.seen], [[], ["r-9"], [], ["r-1", "r-2"]])

    def test_own_dimensions_come_first_and_win_over_the_defaults(self) -> None:
        self.cache.add_counter("C", 1, dimensions=[Dimension("Level", "Mine"), Dimension("Kind", 2)])
        self.assertEqual(self.seen[0][4], [("Level", "Mine"), ("Kind", "2"), ("ModelName", "m1")])

    def test_without_a_request_the_level_is_error(self) -> None:
        self.cache.set_request_ids(None)
        self.cache.add_counter("C", 1)
        self.assertEqual(self.seen[0][4:], ([("Level", "Error")], []))

    def test_calls_do_not_leave_dimensions_to_each_other(self) -> None:
        self.cache.add_counter("A", 1)
        self.cache.set_request_ids(None)
        self.cache.add_counter("B", 1)
        self.assertEqual(self.seen[1][4], [("Level", "Error")])

    def test_a_registered_metric_keeps_its_unit_and_refuses_other_dimensions(self) -> None:
        self.cache.add_metric_to_cache("R", "ms", ["ModelName", "Level"], MetricTypes.GAUGE)
        self.cache.add_size("R", 1)
        self.assertEqual(self.seen[0][1], "Milliseconds")
        with self.assertLogs("ts.metrics", "ERROR") as logs:
            self.cache.add_size("R", 1, dimensions=[Dimension("More", 1)])
        self.assertIn("[METRICS]Failed to update metric with name:R", logs.output[0])
        self.assertEqual(len(self.seen), 1)

    def test_what_is_no_finite_number_or_counts_down_is_refused_with_a_log_line(self) -> None:
        for value in (float("nan"), float("inf"), "abc", None, object()):
            with self.assertLogs("ts.metrics", "ERROR"):
                self.cache.add_percent("P", value)
        with self.assertLogs("ts.metrics", "ERROR"):
            self.cache.add_counter("C", -1)
        self.assertEqual(self.seen, [])
        self.cache.add_percent("P", "12.5")
        self.assertEqual(self.seen[0][2], 12.5)

    def test_errors_of_arguments(self) -> None:
        with self.assertRaisesRegex(MetricsCacheValueError, r"should be one of \['ms', 's'\]"):
            self.cache.add_time("T", 1, unit="h")
        with self.assertRaisesRegex(ValueError, r"one of \['MB','kB', 'GB', 'B'\]"):
            self.cache.add_size("S", 1, unit="TB")
        with self.assertRaises(MetricsCacheKeyError) as caught:
            self.cache.get_metric("X", MetricTypes.GAUGE)
        self.assertIn("Metric of type 'gauge' and name 'X' doesn't exist", str(caught.exception))
        with self.assertRaises(MetricsCacheTypeError):
            self.cache.add_metric("X", 1, "ms", metric_type="gauge")
        with self.assertRaises(TypeError):
            self.cache.add_error("E", "one")

    def test_a_metric_can_be_reported_directly(self) -> None:
        metric = self.cache.add_metric_to_cache("D", "B", ["Host"])
        self.assertIs(self.cache.get_metric("D"), metric)
        metric.add_or_update(1, ["h"], "r-9")
        metric.update(2, dimensions=[Dimension("Other", "o")])
        self.assertEqual(self.seen[0], ("D", "Bytes", 1, "counter", [("Host", "h")], ["r-9"]))
        self.assertEqual(self.seen[1], ("D", "Bytes", 2, "counter", [("Other", "o")], []))

    def test_outside_a_worker_metrics_are_log_lines(self) -> None:
        set_metric_sink(None)
        with self.assertLogs("ts.metrics", "INFO") as logs:
            CachingMetric("S1", "kB", ["ModelName", "Level"], MetricTypes.GAUGE).add_or_update(
                5, ["m1", "Model"], "r-1,r-2"
            )
        line = logs.records[0].getMessage()
        pattern = r"\[METRICS\]S1\.Kilobytes:5\|#ModelName:m1,Level:Model\|#type:GAUGE\|#hostname:[^,]+,\d+,r-1,r-2"
        self.assertRegex(line, "^%s$" % pattern)

    @unittest.skipIf(importlib.util.find_spec("yaml") is None, "PyYAML is not installed")
    def test_a_metrics_file_says_which_metrics_are_known(self) -> None:
        from ts.metrics.metric_cache_errors import MetricsCachePyYamlError

        def cache(text: str) -> MetricsCacheYamlImpl:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(text)
                file.flush()
                made = MetricsCacheYamlImpl(file.name)
                made.initialize_cache()
                return made

        text = "model_metrics:\n  counter:\n    - {name: Calls, unit: count, dimensions: [ModelName]}\n"
        self.assertEqual(cache(text).cache_keys(), ["counter:Calls"])
        with self.assertRaises(MetricsCachePyYamlError):
            cache("a: [")
        with self.assertRaises(MetricsCacheKeyError):
            cache("ts_metrics: {}\n")
        with self.assertRaises(GeneralMetricsCacheError):
            cache("model_metrics: {meter: [{name: A}]}\n")
        with self.assertRaises(IOError):
            MetricsCacheYamlImpl("/no/such/metrics.yaml").initialize_cache()

    def test_small_types(self) -> None:
        self.assertEqual(str(Dimension("a", 1)), "a:1")
        self.assertEqual(Dimension("a", 1).to_dict(), {"Name": "a", "Value": 1})
        self.assertEqual(Units().units["GB"], "Gigabytes")


class Timing(unittest.TestCase):
    class Timed:
        context: Any = None

        @timed
        def preprocess(self, data: Any) -> Any:
            return data + 1

    def test_without_profiling_a_timed_method_is_just_called(self) -> None:
        handler = self.Timed()
        for context in (None, new_context(), new_context(model_yaml_config={"handler": {}})):
            handler.context = context
            self.assertEqual(handler.preprocess(1), 2)

    def test_with_profiling_it_reports_its_time(self) -> None:
        seen: List[Tuple[Any, ...]] = []
        set_metric_sink(lambda *report: seen.append(report))
        self.addCleanup(set_metric_sink, None)
        handler = self.Timed()
        cache = MetricsCacheYamlImpl(None)
        handler.context = new_context(metrics=cache, model_yaml_config={"handler": {"profile": True}})
        self.assertEqual(handler.preprocess(1), 2)
        self.assertEqual(seen[0][:2], ("ts_handler_preprocess", "Milliseconds"))


if __name__ == "__main__":
    unittest.main()
