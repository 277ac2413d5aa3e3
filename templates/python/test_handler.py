"""Tests of the handler, without a server. In this folder: python3 -m unittest"""

import os
import unittest

from handler import MoodHandler


class FakeContext:
    """What the handler uses of the context that the server hands to it."""

    def __init__(self):
        self.system_properties = {"model_dir": os.path.dirname(os.path.abspath(__file__))}
        self.model_yaml_config = {"threshold": 0}
        self.statuses = {}

    def set_response_status(self, code, phrase, index):
        self.statuses[index] = code


class HandlerTest(unittest.TestCase):
    def setUp(self):
        self.context = FakeContext()
        self.handler = MoodHandler()
        self.handler.initialize(self.context)

    def ask(self, *bodies):
        return self.handler.handle([{"body": body} for body in bodies], self.context)

    def test_each_request_of_a_batch_gets_its_own_answer(self):
        glad, sad = self.ask({"text": "What a lovely day"}, {"text": "Broken again, so sad"})
        self.assertEqual(glad, {"mood": "glad", "score": 2})
        self.assertEqual(sad["mood"], "sad")

    def test_a_request_without_a_text_fails_alone(self):
        refused, answered = self.ask({}, {"text": "fine"})
        self.assertIn("error", refused)
        self.assertEqual(answered["mood"], "glad")
        self.assertEqual(self.context.statuses, {0: 400})


if __name__ == "__main__":
    unittest.main()
