"""The metrics that the operator lists for handlers, as the worker gets them with `load`."""

from __future__ import annotations

import json
import unittest
from typing import Any, Dict, List

import packages  # noqa: F401
from worker_driver import WorkerDriver

from ts.metrics.metric_cache_errors import GeneralMetricsCacheError, MetricsCacheKeyError
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

LISTED: List[Dict[str, Any]] = [
    {"name": "Seen", "unit": "animals", "kind": "counter", "dimensions": ["Animal", "Level"]},
    {"name": "Took", "unit": "ms", "kind": "histogram", "dimensions": ["ModelName", "Level"]},
]


class ListedMetrics(unittest.TestCase):
    def cache(self, listed: Any) -> MetricsCacheYamlImpl:
        cache = MetricsCacheYamlImpl(listed=listed)
        cache.initialize_cache()
        return cache

    def test_are_what_the_cache_knows_with_their_units_and_dimensions(self) -> None:
        cache = self.cache(LISTED)
        self.assertEqual(sorted(cache.cache_keys()), ["counter:Seen", "histogram:Took"])
        seen = cache.get_metric("Seen", MetricTypes.COUNTER)
        self.assertEqual((seen.unit, seen.dimension_names), ("animals", ["Animal", "Level"]))
        with self.assertRaises(MetricsCacheKeyError):
            cache.get_metric("HandlerTime", MetricTypes.GAUGE)

    def test_may_be_none_at_all(self) -> None:
        self.assertEqual(self.cache([]).cache_keys(), [])

    def test_are_those_of_the_worker_without_a_list(self) -> None:
        self.assertEqual(self.cache(None).cache_keys(), ["gauge:HandlerTime", "gauge:PredictionTime"])

    def test_of_a_kind_that_is_none_are_refused(self) -> None:
        with self.assertRaises(GeneralMetricsCacheError):
            self.cache([{"name": "A", "unit": "B", "kind": "summary", "dimensions": []}])

    def test_reach_the_handler_by_the_load_message(self) -> None:
        source = """
            def handle(data, context):
                if data is not None:
                    context.metrics.get_metric("Seen").add_or_update(2, ["cat", "Model"])
                    return [context.metrics.cache_keys()] * len(data)
        """
        with WorkerDriver({"handler.py": source}) as worker:
            worker.load(modelMetrics=LISTED)
            worker.predict({})
            frames = worker.receive_until(lambda frame: frame.header["type"] == "output")
            self.assertEqual(sorted(json.loads(bytes(frames[-1].parts[0]))), ["counter:Seen", "histogram:Took"])
            (metric,) = [frame.header for frame in frames if frame.header["type"] == "metric"]
            self.assertEqual(
                (metric["name"], metric["unit"], metric["value"], metric["dimensions"]),
                ("Seen", "animals", 2, [["Animal", "cat"], ["Level", "Model"]]),
            )


if __name__ == "__main__":
    unittest.main()
