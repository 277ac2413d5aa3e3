"""What tools and tests of handlers use without a server: the loader, the service, former metrics, contexts for tests."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import types
import unittest
from typing import Any, Dict, List
from unittest import mock

from packages import PACKAGES_DIR
from ts.async_service import AsyncService
from ts.metrics import process_memory_metric, system_metrics
from ts.metrics.dimension import Dimension
from ts.metrics.metric import Metric
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_encoder import MetricEncoder
from ts.metrics.metric_sink import set_metric_sink
from ts.metrics.metrics_store import MetricsStore
from ts.model_loader import ModelLoaderFactory
from ts.model_server import load_properties
from ts.service import Service, emit_metrics

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="sconce-offline-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        path, modules = list(sys.path), set(sys.modules)
        self.addCleanup(sys.path.__setitem__, slice(None), path)
        self.addCleanup(lambda: [sys.modules.pop(name) for name in set(sys.modules) - modules])
        self.reported: List[Any] = []
        set_metric_sink(lambda *report: self.reported.append(report))
        self.addCleanup(set_metric_sink, None)

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path


def request(value: Any, name: bytes = b"body") -> Dict[str, Any]:
    return {
        "requestId": b"r-%d" % len(str(value)),
        "headers": [{"name": b"Accept", "value": b"text/html"}],
        "parameters": [{"name": name, "contentType": "application/json", "value": value}],
    }


class Loader(Folder):
    HANDLER = """
        class Handler:
            def initialize(self, context):
                self.loaded_with = context.metrics.request_ids if context.metrics else None
                self.context = context
            def handle(self, data, context):
                context.metrics and context.metrics.add_counter("Calls", 1)
                return [[row, context.get_all_request_header(i), self.loaded_with] for i, row in enumerate(data)]
    """

    def load(self, *arguments: Any, **named: Any) -> Service:
        return ModelLoaderFactory.get_model_loader().load("tested", self.folder, *arguments, **named)

    def test_a_handler_is_loaded_and_called_without_a_server(self) -> None:
        self.write("offline_handler.py", self.HANDLER)
        self.write("MAR-INF/MANIFEST.json", json.dumps({"model": {"modelName": "manifested"}}))
        metrics = MetricsCacheYamlImpl()
        service = self.load("offline_handler.py", None, 2, None, True, metrics)
        self.assertEqual(service.context.manifest, {"model": {"modelName": "manifested"}})
        ((row, headers, loaded_with),) = service.predict([request({"a": 1})])
        self.assertEqual(row, {"body": {"a": 1}})
        self.assertEqual(headers, {"body": {"content-type": "application/json"}, "Accept": "text/html"})
        self.assertTrue(UUID.fullmatch(loaded_with))
        self.assertEqual([report[0] for report in self.reported], ["Calls", "PredictionTime"])
        self.assertIn(("ModelName", "tested"), self.reported[0][4])

    def test_six_arguments_are_enough_and_an_envelope_wraps(self) -> None:
        self.write("enveloped.py", self.HANDLER)
        service = self.load("enveloped", None, 1, "kserve")
        (answer,) = service.predict([request({"instances": [5]})])
        self.assertEqual(answer["predictions"][0][0], 5)

    def test_what_is_wrong_with_a_handler_is_raised_as_what_it_is(self) -> None:
        self.write("two_classes.py", "class A:\n    pass\nclass B:\n    pass\n")
        with self.assertRaisesRegex(
            ValueError, "Expected only one class in custom service code or a function entry point"
        ):
            self.load("two_classes.py")
        self.write("no_package.py", "import no_such_package\n")
        with self.assertRaisesRegex(ModuleNotFoundError, "no_such_package"):
            self.load("no_package.py")
        self.write("fails.py", "def handle(data, context):\n    raise KeyError('mine')\n")
        with self.assertRaisesRegex(KeyError, "mine"):
            self.load("fails.py")

    def test_results_of_the_wrong_form_are_told(self) -> None:
        for result, words in (("'ok'", "returned str"), ("['a', 'b']", "returned a list of 2")):
            service = Service("m", self.folder, None, lambda data, context, result=result: eval(result), None, 1)
            with self.assertRaisesRegex(ValueError, words):
                service.predict([request(1)])
        with self.assertRaisesRegex(ValueError, "Received invalid inputs"):
            Service.retrieve_data_for_inference(None)

    def test_the_last_of_two_inputs_with_one_name_counts(self) -> None:
        both = request(1)
        both["parameters"] += request(2)["parameters"]
        _, rows, ids = Service.retrieve_data_for_inference([both])
        self.assertEqual((rows, ids), ([{"body": 2}], {0: "r-1"}))

    def test_an_async_handler_is_awaited(self) -> None:
        async def handle(data: Any, context: Any) -> Any:
            await asyncio.sleep(0)
            context.seen = True
            return [row["body"] for row in data]

        service = Service("m", self.folder, None, handle, None, 1)
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        self.assertEqual(loop.run_until_complete(AsyncService(service).call_predict([request(5)])), [5])
        self.assertFalse(hasattr(service.context, "seen"))

    def test_metrics_given_as_a_list_reach_the_server(self) -> None:
        level = [Dimension("Level", "Host")]
        emit_metrics([Metric("A", 1, "ms", level), Metric("B", 2, "count", level, "r-1", "counter")])
        self.assertEqual(
            self.reported,
            [
                ("A", "Milliseconds", 1, "gauge", [("Level", "Host")], []),
                ("B", "Count", 2, "counter", [("Level", "Host")], ["r-1"]),
            ],
        )

    def test_without_a_server_metrics_given_as_a_list_become_log_lines(self) -> None:
        set_metric_sink(None)
        with self.assertLogs("ts.service", "INFO") as logs:
            emit_metrics([Metric("A", 1, "ms", [Dimension("Level", "Host")])])
        self.assertRegex(
            logs.records[0].getMessage(), r"^\[METRICS\]A\.Milliseconds:1\|#Level:Host\|#hostname:[^,]+,\d+$"
        )
        with self.assertRaises(AssertionError), self.assertLogs("ts.service"):
            emit_metrics(None)

    def test_a_properties_file_is_read(self) -> None:
        path = self.write("config.properties", "# a comment\n a = 1\nb=x=y\nnothing\n")
        self.assertEqual(load_properties(path), {"a": "1", "b": "x=y"})

    def test_services_of_the_former_server_run(self) -> None:
        signature = {"input_type": "application/json", "inputs": [{"data_name": "a"}, {"data_name": "b"}]}
        self.write("signature.json", json.dumps(signature))
        from ts.model_service.model_service import SingleNodeService

        class Adding(SingleNodeService):
            def _preprocess(self, data: Any) -> Any:
                return [int(value) for value in data]

            def _inference(self, data: Any) -> Any:
                return sum(data)

        service = Adding("m", self.folder, {"Model": {"Signature": "signature.json"}})
        self.assertEqual(service.handle([{"a": b"1", "b": "2"}, {"body": b"5"}], None), [3, 10])
        self.assertEqual(service.signature, signature)


class FormerMetrics(Folder):
    def test_a_store_reports_what_comes_a_second_time(self) -> None:
        store = MetricsStore({0: "r-1", 1: "r-2"}, "m1")
        for value in (2, 3):
            store.add_counter("C", value)
        store.add_time("T", 1.5, idx=1, unit="s")
        store.add_size("S", 1)
        store.add_percent("P", 1)
        store.add_error("E", "broken")
        store.add_metric("M", 1, "things")
        model = [("ModelName", "m1"), ("Level", "Model")]
        self.assertEqual(self.reported, [("C", "Count", 3, "counter", model, ["r-1", "r-2"])])
        self.assertEqual([metric.value for metric in store.store], [5, 1.5, 1, 1, "broken", 1])
        self.assertEqual((store.store[1].request_id, store.store[1].unit), ("r-2", "Seconds"))
        self.assertEqual(len(store.cache), 6)
        with self.assertRaises(ValueError):
            store.add_time("T", 1, unit="h")
        with self.assertRaises(ValueError):
            store.add_size("S", 1, unit="h")

    def test_a_metric_tells_itself_as_a_line_and_as_json(self) -> None:
        metric = Metric("S1", 5, "kB", [Dimension("Level", "Host")], "r-1")
        self.assertRegex(str(metric), r"^S1\.Kilobytes:5\|#Level:Host\|#hostname:[^,]+,\d+,r-1$")
        told = json.loads(json.dumps([metric], cls=MetricEncoder))[0]
        self.assertEqual(
            list(told), ["MetricName", "Value", "Unit", "Dimensions", "Timestamp", "HostName", "RequestId"]
        )
        self.assertEqual(told["Dimensions"], [{"Name": "Level", "Value": "Host"}])
        with self.assertRaises(TypeError):
            json.dumps(object(), cls=MetricEncoder)
        metric.reset()
        self.assertEqual((metric.value, self.reported[0][2]), (0, 0))


class SystemMetrics(Folder):
    def test_the_collector_prints_the_machine_and_the_memory_of_processes(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "ts.metrics.metric_collector", "--gpu", "0"],
            input=b"%d,999999999\n" % os.getpid(),
            env=dict(os.environ, PYTHONPATH=PACKAGES_DIR),
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        )
        metrics, _, processes = done.stdout.decode().partition("\n\n")
        names = [line.partition(".")[0] for line in metrics.splitlines()]
        self.assertTrue({"DiskAvailable", "DiskUsage", "DiskUtilization"} <= set(names))
        if sys.platform.startswith("linux"):
            self.assertTrue({"CPUUtilization", "MemoryAvailable", "MemoryUsed", "MemoryUtilization"} <= set(names))
        for line in metrics.splitlines():
            self.assertRegex(line, r"^\w+\.\w+:[0-9.]+\|#Level:Host\|#hostname:[^,]+,\d+$")
        own, gone = processes.split()
        self.assertGreater(int(own.partition(":")[2]), 1000000)
        self.assertEqual(gone, "999999999:0")

    def test_an_operators_module_is_collected_with_its_own_functions(self) -> None:
        module: Any = types.ModuleType("mine")
        code = "def rooms(): system_metrics.append(Metric('Rooms', 3, 'count', []))\ndef _secret(): raise Exception\n"
        exec(
            code, module.__dict__.update(system_metrics=system_metrics.system_metrics, Metric=Metric) or module.__dict__
        )
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            system_metrics.collect_all(module, 0)
        self.assertTrue(out.getvalue().startswith("Rooms.Count:3|#|#hostname:"), out.getvalue())

    def test_gpus_are_asked_of_nvidia_smi_where_there_is_one(self) -> None:
        tool = self.write("nvidia-smi", "#!/bin/sh\necho '0, 37, 1000, 4000'\necho '1, N/A, 1, 2'\n")
        os.chmod(tool, 0o755)
        system_metrics.system_metrics.clear()
        with mock.patch.dict(os.environ, {"PATH": self.folder + os.pathsep + os.environ["PATH"]}):
            system_metrics.gpu_utilization(2)
        values = {metric.name: metric.value for metric in system_metrics.system_metrics}
        self.assertEqual(values, {"GPUMemoryUtilization": 25.0, "GPUMemoryUsed": 1000.0, "GPUUtilization": 37.0})
        system_metrics.system_metrics.clear()
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
            system_metrics.gpu_utilization(2)
        self.assertEqual(system_metrics.system_metrics, [])

    def test_what_is_no_process_id_has_no_memory(self) -> None:
        self.assertIsNone(process_memory_metric.get_cpu_usage("1; ls"))


class TestHelpers(Folder):
    def test_a_context_for_tests(self) -> None:
        from ts.torch_handler.unit_tests.test_utils.mock_context import MockContext

        context = MockContext(model_pt_file=None, model_dir=self.folder, model_file="net.py", model_name="mine")
        self.assertEqual(context.manifest, {"model": {"modelFile": "net.py"}})
        self.assertEqual(context.system_properties["model_dir"], self.folder)
        self.assertEqual((context.metrics.model_name, context.model_yaml_config), ("mine", {}))
        self.assertFalse(context.get_request_header(1, "explain"))
        context.explain = True
        self.assertTrue(context.get_request_header(1, "explain"))
        self.assertFalse(context.get_request_header(0, "explain"))

    def test_a_folder_for_tests_gets_files_and_a_download(self) -> None:
        from ts.torch_handler.unit_tests.test_utils import model_dir

        source = self.write("from/a.txt", "weights")
        os.makedirs(os.path.join(self.folder, "to"))
        model_dir.copy_files(os.path.join(self.folder, "from"), os.path.join(self.folder, "to"), {"a.txt": "b.txt"})
        with mock.patch.object(model_dir, "_KEPT", os.path.join(self.folder, "kept")):
            for _ in range(2):
                model_dir.download_model("file://" + source, os.path.join(self.folder, "to"))
                os.path.exists(source) and os.remove(source)
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder, "to"))), ["b.txt", "model.pt"])

    def test_a_virtual_environment_sees_the_packages_of_this_interpreter(self) -> None:
        from ts.utils import setup_model_venv

        folder = os.path.join(self.folder, "venv")
        with mock.patch.object(setup_model_venv.venv.EnvBuilder, "_setup_pip", lambda *unused: None):
            self.assertEqual(setup_model_venv.main([folder]), 0)
        python = os.path.join(folder, "bin", "python")
        shown = subprocess.run(
            [python, "-c", "import sys; print(sys.prefix, sys.path)"], stdout=subprocess.PIPE, check=True
        )
        self.assertIn(folder, shown.stdout.decode())
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(setup_model_venv.main([]), 2)
        self.assertIn("Give one argument", said.getvalue())

    def test_a_timed_function_prints_its_name(self) -> None:
        from ts.utils.timeit_decorator import timeit

        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(timeit(sorted)([2, 1]), [1, 2])
        self.assertRegex(said.getvalue(), r"^sorted took [0-9.]+ ms\n$")


if __name__ == "__main__":
    unittest.main()
