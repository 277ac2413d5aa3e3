"""What handlers use beside their model: micro-batches, text, streams of text, sections of model-config.yaml."""

from __future__ import annotations

import importlib
import json
import os
import queue
import shutil
import sys
import tempfile
import threading
import types
import unittest
from typing import Any, Dict, List, Optional
from unittest import mock

import packages  # noqa: F401
from ts.context import Context, RequestProcessor
from ts.handler_utils.hf_batch_streamer import TextIteratorStreamerBatch
from ts.handler_utils.micro_batching import HANDLER_METHODS, MicroBatching
from ts.handler_utils.text_utils import get_tokenizer, ngrams_iterator
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_sink import set_metric_sink
from worker_driver import WorkerDriver, json_request


class Steps:
    """A handler of three steps that keeps what it did, and fails where it is told."""

    def __init__(self) -> None:
        self.context: Any = None
        self.fail_on: Any = None
        self.sizes: List[int] = []
        self.threads: Dict[str, set] = {name: set() for name in HANDLER_METHODS}

    def _is_explain(self) -> bool:
        return self.context.get_request_header(0, "explain") == "True"

    def _is_describe(self) -> bool:
        return self.context.get_request_header(0, "describe") == "True"

    def describe_handle(self) -> Any:
        return {"steps": 3}

    def explain_handle(self, prepared: Any, raw: Any) -> Any:
        return [["explained", prepared, raw]]

    def preprocess(self, data: Any) -> Any:
        self.threads["preprocess"].add(threading.current_thread())
        self.sizes.append(len(data))
        return [value + 1 for value in data]

    def inference(self, data: Any) -> Any:
        self.threads["inference"].add(threading.current_thread())
        if self.fail_on in data:
            raise ValueError("cannot do %s" % self.fail_on)
        return [value * 10 for value in data]

    def postprocess(self, data: Any) -> Any:
        self.threads["postprocess"].add(threading.current_thread())
        return ["r%d" % value for value in data]


class MicroBatches(unittest.TestCase):
    def setUp(self) -> None:
        self.reported: List[Any] = []
        set_metric_sink(lambda *report: self.reported.append(report[0]))
        self.addCleanup(set_metric_sink, None)
        self.handler = Steps()

    def batching(self, size: int = 1, parallelism: Optional[Dict[str, int]] = None) -> MicroBatching:
        made = MicroBatching(self.handler, size, parallelism)
        self.addCleanup(made.shutdown)
        return made

    def context(self, **headers: str) -> Context:
        metrics = MetricsCacheYamlImpl()
        metrics.model_name = "tested"
        context = Context("tested", "/m", {}, 8, None, "0", metrics=metrics)
        context.request_processor = [RequestProcessor(headers)]
        return context

    def test_results_keep_the_order_of_the_batch_whatever_its_size(self) -> None:
        for size in (1, 2, 3, 100):
            for parallelism in ({}, {"inference": 4}, dict.fromkeys(HANDLER_METHODS, 3)):
                with self.subTest(size=size, parallelism=parallelism):
                    answers = self.batching(size, parallelism)(list(range(17)), self.context())
                    self.assertEqual(answers, ["r%d" % ((value + 1) * 10) for value in range(17)])
        self.assertEqual(self.batching()([], self.context()), [])
        self.assertIn("HandlerTime", self.reported)

    def test_a_batch_is_cut_into_pieces_of_the_size_that_holds_now(self) -> None:
        batching = self.batching(4)
        batching(list(range(10)), self.context())
        batching.micro_batch_size = 5
        batching(list(range(10)), self.context())
        self.assertEqual(self.handler.sizes, [4, 4, 2, 5, 5])

    def test_a_step_that_raises_ends_its_batch_and_leaves_nothing_to_the_next(self) -> None:
        batching = self.batching(1, {"inference": 2})
        self.handler.fail_on = 5
        with self.assertRaisesRegex(ValueError, "cannot do 5"):
            batching(list(range(8)), self.context())
        self.handler.fail_on = None
        self.assertEqual(batching([0, 1], self.context()), ["r10", "r20"])

    def test_an_exit_in_a_step_comes_out_as_it_is(self) -> None:
        self.handler.postprocess = lambda data: sys.exit(7)  # type: ignore[method-assign]
        with self.assertRaises(SystemExit):
            self.batching()([1], self.context())

    def test_descriptions_and_explanations_are_not_cut(self) -> None:
        batching = self.batching(1)
        self.assertEqual(batching([1, 2], self.context(describe="True")), [{"steps": 3}])
        self.assertEqual(batching([1, 2], self.context(explain="True")), [["explained", [2, 3], [1, 2]]])

    def test_the_number_of_threads_can_change_between_batches(self) -> None:
        batching = self.batching(1, {"preprocess": 3})
        self.assertEqual(batching.parallelism, {"preprocess": 3, "inference": 1, "postprocess": 1})
        self.assertEqual([len(batching.thread_groups[name]) for name in HANDLER_METHODS], [3, 1, 1])
        for count in (1, 4):
            batching.parallelism = {"inference": count}
            self.assertEqual([len(batching.thread_groups[name]) for name in HANDLER_METHODS], [1, count, 1])
            self.assertEqual(batching([0], self.context()), ["r10"])
        with self.assertRaisesRegex(AssertionError, "parallelism has predict"):
            batching.parallelism = {"predict": 2}

    def test_each_step_knows_the_number_of_its_micro_batch(self) -> None:
        batching = self.batching(2)
        self.handler.postprocess = lambda data: [batching.get_micro_batch_idx()] * len(data)  # type: ignore[method-assign]
        batching.parallelism = {"postprocess": 2}
        batching.parallelism = {}
        self.assertEqual(batching(list(range(5)), self.context()), [0, 0, 1, 1, 2])

    def test_after_a_shutdown_no_thread_is_left(self) -> None:
        before = threading.active_count()
        batching = MicroBatching(self.handler, 1, dict.fromkeys(HANDLER_METHODS, 2))
        self.assertEqual(threading.active_count(), before + 6)
        batching.shutdown()
        self.assertEqual(threading.active_count(), before)

    def test_in_a_worker_a_failing_step_fails_the_batch_and_the_next_one_is_answered(self) -> None:
        source = """
            from ts.handler_utils.micro_batching import MicroBatching

            class Handler:
                def __init__(self):
                    self.handle = MicroBatching(self, micro_batch_size=1)
                def initialize(self, context):
                    self.handle.parallelism = {"inference": 2}
                def _is_describe(self): return False
                def _is_explain(self): return False
                def preprocess(self, data): return [row["body"] for row in data]
                def inference(self, data): return [1 / value for value in data]
                def postprocess(self, data): return data
                def handle(self, data, context): raise AssertionError("replaced")
        """
        with WorkerDriver({"handler.py": source}) as worker:
            self.assertEqual(worker.load(batchSize=4).header["type"], "ready")
            failed = worker.ask(*map(json_request, ["1", "0", "2"]))
            fine = worker.ask(*map(json_request, ["1", "2"]))
        self.assertEqual([answer[0] for answer in failed], ["PREDICTION_FAILED"] * 3)
        self.assertEqual([answer[1] for answer in fine], [b"1.0", b"0.5"])


class Texts(unittest.TestCase):
    def test_basic_english_sets_punctuation_apart(self) -> None:
        tokenize: Any = get_tokenizer("basic_english")
        words = tokenize("It's \"fun\", isn't it? Yes; A.B: (ok)!<br />End  now")
        self.assertEqual(" ".join(words), "it ' s fun , isn ' t it ? yes a . b ( ok ) ! end now")

    def test_other_tokenizers(self) -> None:
        split: Any = get_tokenizer(None)
        self.assertEqual(split("It's  so"), ["It's", "so"])
        self.assertIsNone(get_tokenizer("spacy"))
        with self.assertRaisesRegex(ValueError, "English"):
            get_tokenizer("basic_english", "de")

    def test_n_grams_come_shortest_first(self) -> None:
        self.assertEqual(list(ngrams_iterator(["a", "b", "c"], 3)), ["a", "b", "c", "a b", "b c", "a b c"])
        self.assertEqual(list(ngrams_iterator(iter(["a"]), 2)), ["a"])

    def test_contractions(self) -> None:
        from ts.torch_handler.contractions import CONTRACTION_MAP

        for short, words in (
            ("can't", "cannot"), ("can't've", "cannot have"), ("he'll've", "he he will have"), ("she'd've", "she would have"),
            ("I'm", "I am"), ("i'm", "i am"), ("so's", "so as"), ("where've", "where have"), ("wouldn't've", "would not have"),
            ("'cause", "because"), ("it's", "it is"), ("y'all're", "you all are"), ("there's", "there is"), ("how'd'y", "how do you"),
            ("to've", "to have"), ("sha'n't", "shall not"), ("mayn't", "may not"), ("why's", "why is"), ("what're", "what are"),
        ):  # fmt: skip
            self.assertEqual(CONTRACTION_MAP[short], words)
        self.assertNotIn("mayn't've", CONTRACTION_MAP)
        self.assertNotIn("he've", CONTRACTION_MAP)
        keys = list(CONTRACTION_MAP)
        self.assertLess(keys.index("can't"), keys.index("can't've"))
        # Two for each of eight subjects, two for what and who, and how'll.
        self.assertEqual(len([key for key in keys if key.endswith("'ll've") or key.endswith("'ll")]), 21)


class Tokenizer:
    """Tokens are numbers of words."""

    words = ["Hello ", "brave ", "new ", "world", ".\n", "日", "half", "way"]

    def decode(self, tokens: List[int], **kwargs: Any) -> str:
        return "".join(self.words[token] for token in tokens)


class Tokens:
    """As much of a tensor as the streamer asks for."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self.shape = (len(rows),)

    def tolist(self) -> Any:
        return self._rows


class Streamers(unittest.TestCase):
    def pieces(self, streamer: TextIteratorStreamerBatch, *steps: Any) -> List[List[str]]:
        for step in steps:
            streamer.put(Tokens(step))
        streamer.end()
        return [[piece["text"] for piece in pieces] for pieces in streamer]

    def test_each_stream_gives_out_whole_words_and_its_rest_at_the_end(self) -> None:
        streamer = TextIteratorStreamerBatch(Tokenizer(), 2)
        pieces = self.pieces(streamer, [[0, 1], [0, 2]], [6, 3], [7, 4], [3, 5])
        self.assertEqual(
            ["".join(texts) for texts in zip(*pieces)], ["Hello brave halfwayworld", "Hello new world.\n日"]
        )
        self.assertEqual(pieces[0], ["Hello brave ", "Hello new "])
        self.assertEqual(pieces[1], ["", ""])
        self.assertEqual(pieces[3], ["", "日"])

    def test_the_prompt_can_be_left_out(self) -> None:
        streamer = TextIteratorStreamerBatch(Tokenizer(), 1, skip_prompt=True)
        self.assertEqual(self.pieces(streamer, [[0, 1]], [2], [3]), [["new "], [""], ["world"]])

    def test_a_step_for_another_number_of_streams_is_refused(self) -> None:
        streamer = TextIteratorStreamerBatch(Tokenizer(), 2, timeout=0.01)
        with self.assertRaisesRegex(ValueError, "2 streams, not 1"):
            streamer.put(Tokens([0]))
        with self.assertRaises(queue.Empty):
            next(iter(streamer))


class Sections(unittest.TestCase):
    """Helpers of large models read their sections of model-config.yaml, and name what is missing."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="sconce-sections-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def context(self, config: Any) -> Context:
        return Context("tested", self.folder, {}, 1, None, "0", model_yaml_config=config)

    def test_deepspeed(self) -> None:
        from ts.handler_utils.distributed.deepspeed import get_ds_engine

        for config, words in (
            ({}, "no section deepspeed"),
            ({"deepspeed": {}}, "no deepspeed.config"),
            ({"deepspeed": {"config": "gone.json"}}, "deepspeed.config names gone.json"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                get_ds_engine("model", self.context(config))
        for name in ("ds.json", "b.bin", "a.pt"):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8"):
                pass
        section = {"config": "ds.json", "checkpoint": "checkpoints.json"}
        with self.assertRaisesRegex(ValueError, "handler.model_path"):
            get_ds_engine("model", self.context({"deepspeed": section}))
        fake: Any = types.ModuleType("deepspeed")
        fake.init_inference = lambda model, config, checkpoint: (model, config, checkpoint)
        with mock.patch.dict(sys.modules, {"deepspeed": fake}):
            config = {"deepspeed": section, "handler": {"model_path": self.folder}}
            model, ds_config, checkpoint = get_ds_engine("model", self.context(config))
        self.assertEqual((model, ds_config), ("model", os.path.join(self.folder, "ds.json")))
        with open(checkpoint, encoding="utf-8") as file:
            listed = json.load(file)["checkpoints"]
        self.assertEqual([os.path.basename(path) for path in listed], ["a.pt", "b.bin"])

    def test_pippy_and_dali(self) -> None:
        from ts.handler_utils.distributed.pt_pippy import get_pipeline_driver
        from ts.handler_utils.preprocess.dali import get_dali_pipeline

        for config, words in (
            ({}, "no section pippy"),
            ({"pippy": {"input_names": []}}, "no pippy.model_type"),
            ({"pippy": {"input_names": [], "model_type": "HF"}}, "no section handler"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                get_pipeline_driver("model", 2, self.context(config))
        complete = {"batch_size": 2, "num_threads": 1, "device_id": 0, "seed": 7}
        for config, words in (
            ({}, "no section dali"),
            ({"dali": {"batch_size": 1}}, "no dali.num_threads"),
            ({"dali": dict(complete, pipeline_file="gone.dali")}, "not in the archive"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                get_dali_pipeline(self.context(config))
        fake: Any = types.ModuleType("nvidia.dali.pipeline")
        fake.Pipeline = type("Pipeline", (), {"deserialize": staticmethod(lambda **given: given)})
        with open(os.path.join(self.folder, "mine.dali"), "w", encoding="utf-8"):
            pass
        modules = {"nvidia": types.ModuleType("nvidia"), "nvidia.dali": types.ModuleType("nvidia.dali")}
        with mock.patch.dict(sys.modules, dict(modules, **{"nvidia.dali.pipeline": fake})):
            given = get_dali_pipeline(self.context({"dali": dict(complete, pipeline_file="mine.dali")}))
        self.assertEqual((given["batch_size"], os.path.basename(given["filename"])), (2, "mine.dali"))

    def test_a_model_is_fetched_from_the_hub_with_its_weights_only(self) -> None:
        fake: Any = types.ModuleType("huggingface_hub")
        fake.snapshot_download = lambda **given: given
        with mock.patch.dict(sys.modules, {"huggingface_hub": fake}):
            given = importlib.import_module("ts.utils.hf_utils").download_model("me/net", model_path="here")
        self.assertEqual((given["repo_id"], given["cache_dir"], given["token"]), ("me/net", "here", True))
        self.assertIn("*.safetensors", given["allow_patterns"])


if __name__ == "__main__":
    unittest.main()
