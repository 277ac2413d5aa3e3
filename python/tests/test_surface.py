"""Whatever TorchServe's `ts` has, ours has, or says what to use instead."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import unittest
from typing import Any

from packages import PACKAGES_DIR, REPOSITORY_DIR
from surface import SURFACE
from ts import _absent


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


class Surface(unittest.TestCase):
    def test_every_name_is_there_or_says_what_to_use_instead(self) -> None:
        absent = set()
        for module_name, names, needs in SURFACE:
            if not all(map(is_installed, needs)):
                continue
            with self.subTest(module_name):
                try:
                    module: Any = importlib.import_module(module_name)
                except ImportError as error:
                    self.assertEqual(str(error), _absent.absence(module_name))
                    absent.add(module_name)
                    continue
                for name in names:
                    try:
                        exec("from %s import %s" % (module_name, name), {})
                    except ImportError as error:
                        full_name = "%s.%s" % (module_name, name)
                        self.assertEqual(str(error), _absent.absence(full_name))
                        self.assertFalse(hasattr(type(module), name))
                        absent.add(full_name)
        self.assertTrue(absent <= set(_absent._ADVICE))

    def test_the_advice_names_what_is_missing_and_a_way_on(self) -> None:
        for name in _absent._ADVICE:
            words = _absent.absence(name)
            self.assertIn(name, words)
            self.assertGreater(len(words.partition(": ")[2]), 20, words)

    def test_a_module_that_is_missing_is_named_where_it_is_imported(self) -> None:
        name = "ts.torch_handler.distributed.base_neuronx_continuous_batching_handler"
        with self.assertRaises(ImportError) as caught:
            importlib.import_module(name)
        self.assertEqual(caught.exception.name, name)
        self.assertIn("copy TorchServe 0.12's file into the archive", str(caught.exception))

    def test_a_name_that_torchserve_never_had_is_an_ordinary_error(self) -> None:
        with self.assertRaisesRegex(ImportError, "cannot import name 'nothing_such'"):
            exec("from ts.protocol.otf_message_handler import nothing_such", {})
        with self.assertRaisesRegex(ModuleNotFoundError, "No module named 'ts.nothing_such'"):
            importlib.import_module("ts.nothing_such")
        self.assertFalse(hasattr(importlib.import_module("ts.launcher"), "nothing_such"))

    def test_what_is_importable_only_says_so_when_it_is_called(self) -> None:
        from ts.arg_parser import ArgParser
        from ts.async_service import AsyncService
        from ts.handler_utils.utils import create_predict_response
        from ts.launcher import register_model, register_model_with_params, start, stop
        from ts.llm_launcher import main
        from ts.model_server import start as start_server

        parsers = [ArgParser.ts_parser, ArgParser.model_service_worker_args, ArgParser.extract_args]
        service: Any = None
        calls = [create_predict_response, register_model, register_model_with_params, start, stop, main, start_server]
        for call in [*calls, *parsers, AsyncService(service).run]:
            with self.assertRaisesRegex(NotImplementedError, "a part of TorchServe that Sconce does not have: "):
                call()

    def test_no_module_but_those_of_networks_needs_more_than_the_standard_library(self) -> None:
        names = [name for name, _, needs in SURFACE if not needs and "neuronx" not in name]
        code = "import sys\nimport %s\nprint(sorted({'torch', 'yaml', 'numpy', 'psutil', 'transformers'} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-S", "-c", code % ", ".join(names)],
            env=dict(os.environ, PYTHONPATH=PACKAGES_DIR),
            stdout=subprocess.PIPE,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stdout.strip()), (0, b"[]"))

    def test_the_reference_lists_every_module(self) -> None:
        path = os.path.join(REPOSITORY_DIR, "docs", "reference", "python-api.md")
        with open(path, encoding="utf-8") as file:
            page = file.read()
        listed = [name for name, _, _ in SURFACE if not any(told.startswith(name) for told in _absent._ADVICE)]
        self.assertEqual([name for name in listed if not re.search(r"\b%s\b" % name.rpartition(".")[2], page)], [])

    def test_each_built_in_handler_defines_one_class(self) -> None:
        from ts.utils.util import list_classes_from_module

        for module_name, _, needs in SURFACE:
            is_handler = module_name.startswith("ts.torch_handler.") and module_name.count(".") == 2
            if not is_handler or module_name.endswith("contractions") or not all(map(is_installed, needs)):
                continue
            with self.subTest(module_name):
                self.assertEqual(len(list_classes_from_module(importlib.import_module(module_name))), 1)


if __name__ == "__main__":
    unittest.main()
