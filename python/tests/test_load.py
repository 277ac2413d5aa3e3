"""Loading handlers in a real worker: which module and which part of it is taken, and what is said when that fails."""

from __future__ import annotations

import json
import os
import sys
import unittest
from typing import Any, Dict, Optional

import packages  # noqa: F401
from worker_driver import WorkerDriver

FUNCTION = """
    def handle(data, context):
        return None if data is None else ["function"] * len(data)
"""
CLASS = """
    class Handler:
        def __init__(self):
            self.loaded = None
        def initialize(self, context):
            self.loaded = context.model_name
        def handle(self, data, context):
            return ["class " + self.loaded] * len(data)
"""


def manifest(**model: Any) -> str:
    return json.dumps({"model": dict({"modelName": "tested"}, **model)})


class Handlers(unittest.TestCase):
    def answer(self, files: Dict[str, str], handler: str, env: Optional[Dict[str, str]] = None, **load: Any) -> bytes:
        with WorkerDriver(files, env) as worker:
            ready = worker.load(handler, **load)
            self.assertEqual(ready.header["type"], "ready", ready.header)
            return worker.ask({})[0][1]

    def test_a_function_named_handle_answers(self) -> None:
        self.assertEqual(self.answer({"handler.py": FUNCTION}, "handler.py"), b"function")

    def test_a_function_wins_over_classes_and_the_suffix_is_optional(self) -> None:
        self.assertEqual(self.answer({"handler.py": CLASS + FUNCTION}, "handler"), b"function")

    def test_the_only_class_is_created_initialised_and_asked(self) -> None:
        self.assertEqual(self.answer({"handler.py": CLASS}, "handler.py"), b"class tested")

    def test_a_named_function_answers(self) -> None:
        source = FUNCTION.replace("handle", "answer").replace('"function"', '"named"')
        self.assertEqual(self.answer({"handler.py": FUNCTION + source}, "handler.py:answer"), b"named")

    def test_a_named_class_answers(self) -> None:
        other = "\n    class Other:\n        pass\n"
        self.assertEqual(self.answer({"handler.py": CLASS + other}, "handler:Handler"), b"class tested")

    def test_classes_that_are_only_imported_do_not_count(self) -> None:
        files = {"handler.py": "\n    from base import Base\n" + CLASS, "base.py": "class Base:\n    pass\n"}
        self.assertEqual(self.answer(files, "handler.py"), b"class tested")

    def test_a_handler_in_a_folder_is_found(self) -> None:
        self.assertEqual(self.answer({"code/special.py": FUNCTION}, "code/special.py"), b"function")

    def test_a_method_that_the_constructor_replaced_is_the_one_that_answers(self) -> None:
        source = """
            class Handler:
                def __init__(self):
                    self.handle = lambda data, context: ["replaced"]
                def initialize(self, context):
                    self.handle = None
                def handle(self, data, context):
                    return ["original"]
        """
        self.assertEqual(self.answer({"handler.py": source}, "handler.py"), b"replaced")

    def test_a_file_of_the_archive_wins_over_a_built_in_handler(self) -> None:
        self.assertEqual(self.answer({"image_classifier.py": FUNCTION}, "image_classifier"), b"function")

    def test_modules_named_like_parts_of_the_packages_are_the_archives_own(self) -> None:
        names = [
            "utils",
            "metrics",
            "context",
            "service",
            "version",
            "protocol",
            "frames",
            "process",
            "worker",
            "messages",
        ]
        files = {name + ".py": "WHO = 'archive'\n" for name in names}
        files["handler.py"] = "\n".join(
            "import " + name for name in names
        ) + "\ndef handle(rows, unused):\n    return rows and [[%s]]\n" % ", ".join(name + ".WHO" for name in names)
        self.assertEqual(json.loads(self.answer(files, "handler.py")), ["archive"] * len(names))

    def test_a_package_ts_that_came_with_the_model_is_not_taken_for_ours(self) -> None:
        files = {
            "ts/__init__.py": "raise ImportError('TorchServe itself')\n",
            "handler.py": "from ts.context import Context\nimport sys\n\n"
            "def handle(data, context): return data and [[type(context) is Context, sys.path]]\n",
        }
        is_ours, path = json.loads(self.answer(files, "handler.py"))
        self.assertTrue(is_ours)
        # The folder of our packages is looked in last, as the server has said; it is not left in front of the archive.
        self.assertGreater(path.index(packages.PACKAGES_DIR), 0)

    def test_relative_paths_and_the_context_are_those_of_the_model(self) -> None:
        source = """
            import os
            def handle(data, context):
                if data is None:
                    assert context.request_processor is None and context.request_ids is None
                    assert context.get_request_id() is None and not context.is_cancelled()
                    return
                with open("words.txt") as file:
                    words = file.read()
                same = os.path.realpath(os.getcwd()) == os.path.realpath(context.system_properties["model_dir"])
                return [[words, same, context.system_properties, context.manifest, context.model_yaml_config]]
        """
        files = {"handler.py": source, "words.txt": "hello", "MAR-INF/MANIFEST.json": manifest(modelVersion="1.0")}
        words, is_same, properties, seen, config = json.loads(self.answer(files, "handler.py", batchSize=3, gpuId=2))
        self.assertEqual((words, is_same), ("hello", True))
        properties.pop("model_dir")
        expected = {
            "gpu_id": 2,
            "batch_size": 3,
            "server_name": "MMS",
            "server_version": "0.1.0",
            "limit_max_image_pixels": True,
        }
        self.assertEqual(properties, expected)
        self.assertEqual(seen, {"model": {"modelName": "tested", "modelVersion": "1.0"}})
        self.assertEqual(config, {})

    @unittest.skipIf(len(getattr(os, "sched_getaffinity", lambda pid: [0])(0)) < 2, "there is one core to share")
    def test_numeric_libraries_get_the_workers_share_of_the_cores(self) -> None:
        source = """
            import os
            threads = os.environ.get("OMP_NUM_THREADS")
            def handle(data, context):
                return data and [threads]
        """
        files = {"handler.py": source}
        cores = len(os.sched_getaffinity(0))
        inherited = os.environ.pop("OMP_NUM_THREADS", None)
        try:
            self.assertEqual(self.answer(files, "handler.py", threads=1), b"1")
            self.assertEqual(self.answer(files, "handler.py", threads=cores), b"null")
            os.environ["OMP_NUM_THREADS"] = "5"
            self.assertEqual(self.answer(files, "handler.py", threads=1), b"5")
        finally:
            os.environ.pop("OMP_NUM_THREADS", None)
            if inherited is not None:
                os.environ["OMP_NUM_THREADS"] = inherited

    def test_without_a_manifest_the_context_has_none(self) -> None:
        source = "def handle(data, context):\n    return data and [context.manifest is None]\n"
        self.assertEqual(self.answer({"handler.py": source}, "handler.py"), b"true")

    def test_an_envelope_wraps_the_handler_but_not_its_initialisation(self) -> None:
        envelope = """
            class Doubling:
                def __init__(self, handle):
                    self._handle = handle
                def handle(self, data, context):
                    return [result * 2 for result in self._handle(data, context)]
        """
        # The archive's folder stands in for that of the built-in envelopes.
        link = "import os\nimport ts.torch_handler\nts.torch_handler.__path__.insert(0, os.getcwd())\n"
        files = {
            "handler.py": link + FUNCTION.replace("\n    ", "\n"),
            "request_envelope/__init__.py": "",
            "request_envelope/doubling.py": envelope,
        }
        self.assertEqual(self.answer(files, "handler.py", envelope="doubling"), b"functionfunction")


class ModelConfig(unittest.TestCase):
    SOURCE = "def handle(data, context):\n    return data and [[context.model_yaml_config]]\n"

    def config(self, files: Dict[str, str], **load: Any) -> Any:
        with WorkerDriver(dict(files, **{"handler.py": self.SOURCE})) as worker:
            self.assertEqual(worker.load(**load).header["type"], "ready")
            return json.loads(worker.ask({})[0][1])[0]

    def test_without_pyyaml_the_servers_reading_is_used(self) -> None:
        files = {
            "MAR-INF/MANIFEST.json": manifest(configFile="model-config.yaml"),
            "model-config.yaml": "minWorkers: 1\n",
            "yaml.py": "raise ImportError('not here')\n",
        }
        self.assertEqual(self.config(files, modelConfig={"minWorkers": 7}), {"minWorkers": 7})

    def test_with_pyyaml_the_worker_reads_the_file_itself(self) -> None:
        files = {
            "MAR-INF/MANIFEST.json": manifest(configFile="model-config.yaml"),
            "model-config.yaml": "minWorkers: 1\n",
            "yaml.py": "YAMLError = ValueError\ndef safe_load(file):\n    return {'read': file.read()}\n",
        }
        self.assertEqual(self.config(files, modelConfig={"minWorkers": 7}), {"read": "minWorkers: 1\n"})

    def test_without_a_file_the_configuration_is_empty(self) -> None:
        self.assertEqual(self.config({"MAR-INF/MANIFEST.json": manifest()}, modelConfig={"minWorkers": 7}), {})


class Failures(unittest.TestCase):
    def failure(self, files: Dict[str, str], handler: Optional[str] = "handler.py", **load: Any) -> Dict[str, Any]:
        with WorkerDriver(files) as worker:
            header = worker.load(handler, **load).header
            self.assertEqual(header["type"], "error", header)
            self.assertNotIn("jobs", header)
            self.assertEqual(worker.exit_code(), 1)
            self.log = worker.log()
            self.assertIn(header["message"], self.log)
            return header

    def test_no_handler_at_all(self) -> None:
        header = self.failure({}, None)
        self.assertEqual(header["code"], "HANDLER_NOT_FOUND")
        self.assertIn("The model has no handler.", header["message"])

    def test_a_handler_file_that_is_not_there_names_what_is(self) -> None:
        header = self.failure({"other.py": FUNCTION})
        self.assertEqual(header["code"], "HANDLER_NOT_FOUND")
        self.assertIn("No handler handler.py: the archive has other.py", header["message"])
        self.assertNotIn("ts.torch_handler", self.log)

    def test_a_module_with_two_classes_and_no_function(self) -> None:
        header = self.failure({"handler.py": "class A:\n    pass\nclass B:\n    pass\n"})
        self.assertEqual(header["code"], "HANDLER_NOT_FOUND")
        self.assertIn("Expected only one class in custom service code or a function entry point", header["message"])
        self.assertIn("A, B", header["message"])

    def test_a_class_without_handle(self) -> None:
        header = self.failure({"handler.py": "class A:\n    pass\n"})
        self.assertEqual(header["code"], "HANDLER_NOT_FOUND")
        self.assertIn("Expect handle method in class A", header["message"])

    def test_a_module_missing_inside_the_handler_is_named_and_not_the_fallback(self) -> None:
        header = self.failure({"handler.py": "import no_such_module.part\n"})
        self.assertEqual(header["code"], "HANDLER_IMPORT_FAILED")
        version = "%d.%d" % sys.version_info[:2]
        message = "ModuleNotFoundError: No module named 'no_such_module'. The worker runs Python %s." % version
        self.assertEqual(header["message"], message)
        self.assertNotIn("ts.torch_handler", header["trace"])
        self.assertIn("handler.py", header["trace"])

    def test_a_built_in_handler_whose_package_is_missing_says_so_and_not_that_no_file_has_its_name(self) -> None:
        header = self.failure({"torch.py": "raise ModuleNotFoundError('no torch here')\n"}, "base_handler")
        self.assertEqual(header["code"], "HANDLER_IMPORT_FAILED")
        self.assertIn("no torch here", header["message"])
        self.assertIn('base_handler.py", line', header["trace"])
        self.assertNotIn("'base_handler'", header["trace"])

    def test_a_syntax_error(self) -> None:
        header = self.failure({"handler.py": "def handle(:\n"})
        self.assertEqual(header["code"], "HANDLER_IMPORT_FAILED")
        self.assertIn("SyntaxError: ", header["message"])
        self.assertIn("The worker runs Python %d.%d." % sys.version_info[:2], header["message"])
        self.assertEqual(header["trace"].splitlines()[1], "    def handle(:")
        self.assertNotIn("importlib", header["trace"])

    def test_a_syntax_error_in_a_file_that_the_handler_imports(self) -> None:
        header = self.failure({"handler.py": "import other\n", "other.py": "def handle(:\n"})
        self.assertIn('handler.py", line 1, in <module>', header["trace"])
        self.assertIn('other.py", line 1', header["trace"])
        self.assertNotIn("importlib", header["trace"])

    def test_an_exception_at_import_shows_its_last_lines(self) -> None:
        header = self.failure({"handler.py": "def f(n):\n    return f(n - 1) if n else 1 / 0\nf(60)\n"})
        self.assertEqual(header["code"], "HANDLER_IMPORT_FAILED")
        self.assertEqual(header["message"], "ZeroDivisionError: division by zero.")
        self.assertLessEqual(len(header["trace"].splitlines()), 30)
        self.assertTrue(header["trace"].endswith("ZeroDivisionError: division by zero"))

    def test_an_exit_at_import_is_a_failure_like_any_other(self) -> None:
        header = self.failure({"handler.py": "import sys\nsys.exit(5)\n"})
        self.assertEqual((header["code"], header["message"]), ("HANDLER_IMPORT_FAILED", "SystemExit: 5."))

    def test_exceptions_of_constructor_initialize_and_function(self) -> None:
        constructor = "class A:\n    def __init__(self):\n        raise ValueError('one')\n"
        initialize = (
            "class A:\n    def initialize(self, context):\n        raise ValueError('two\\nlines!')\n"
            "    def handle(self, data, context):\n        pass\n"
        )
        function = "def handle(data, context):\n    return [row['body'] for row in data]\n"
        for source, message in (
            (constructor, "ValueError: one."),
            (initialize, "ValueError: two lines!"),
            (function, "TypeError: 'NoneType' object is not iterable."),
        ):
            with self.subTest(message):
                header = self.failure({"handler.py": source})
                self.assertEqual((header["code"], header["message"]), ("HANDLER_INITIALIZE_FAILED", message))

    def test_a_missing_file_while_initialising(self) -> None:
        header = self.failure({"handler.py": "def handle(data, context):\n    open('weights.bin')\n"})
        self.assertEqual(header["code"], "MODEL_FILE_NOT_FOUND")
        self.assertIn("weights.bin", header["message"])
        self.assertIn("The archive has handler.py.", header["message"])

    def test_the_trace_begins_with_the_authors_code(self) -> None:
        header = self.failure({"handler.py": "import other\n", "other.py": "1 / 0\n"})
        self.assertNotIn("sconce_worker", header["trace"])
        self.assertNotIn("importlib", header["trace"])
        self.assertIn('handler.py", line 1, in <module>', header["trace"])
        self.assertIn('other.py", line 1, in <module>', header["trace"])

    def test_a_missing_configuration_file(self) -> None:
        files = {
            "handler.py": FUNCTION,
            "MAR-INF/MANIFEST.json": manifest(configFile="gone.yaml"),
            "yaml.py": "YAMLError = ValueError\nsafe_load = None\n",
        }
        self.assertEqual(self.failure(files)["code"], "MODEL_FILE_NOT_FOUND")

    def test_running_out_of_memory_has_its_own_code_at_every_step(self) -> None:
        for source in (
            "raise MemoryError()\n",
            "def handle(data, context):\n    raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')\n",
        ):
            self.assertEqual(self.failure({"handler.py": source})["code"], "WORKER_OUT_OF_MEMORY")

    def test_threads_that_a_half_loaded_model_started_do_not_keep_the_process(self) -> None:
        source = """
            import threading
            def handle(data, context):
                threading.Thread(target=threading.Event().wait).start()
                raise ValueError("half")
        """
        self.assertEqual(self.failure({"handler.py": source})["code"], "HANDLER_INITIALIZE_FAILED")

    def test_an_exception_whose_text_raises_is_still_reported(self) -> None:
        source = """
            class Odd(Exception):
                def __str__(self):
                    raise ValueError("no text")
            def handle(data, context):
                raise Odd()
        """
        self.assertEqual(self.failure({"handler.py": source})["message"], "Odd: its text cannot be shown.")

    def test_an_unknown_envelope(self) -> None:
        header = self.failure({"handler.py": FUNCTION}, envelope="nothing_such")
        self.assertEqual(header["code"], "HANDLER_NOT_FOUND")
        self.assertIn("No request envelope nothing_such", header["message"])

    def test_a_server_of_another_protocol_is_refused(self) -> None:
        with WorkerDriver({"handler.py": FUNCTION}) as worker:
            with self.assertRaises(AssertionError):
                worker.load(protocol=2)
            self.assertEqual(worker.exit_code(), 1)
            self.assertIn("the server speaks protocol 2", worker.log())


class StartByHand(unittest.TestCase):
    def test_without_the_servers_sockets_the_worker_says_so(self) -> None:
        import subprocess

        env = dict(os.environ, PYTHONPATH=packages.PACKAGES_DIR)
        done = subprocess.run(
            [sys.executable, "-m", "sconce_worker"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"is started by the server", done.stderr)


if __name__ == "__main__":
    unittest.main()
