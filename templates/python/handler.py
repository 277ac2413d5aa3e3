"""Tells whether a text is glad or sad, by the weights of its words. Put your own model in place of it."""

import json
import os
import re


class MoodHandler:
    """The server makes one of these in each worker."""

    def initialize(self, context):
        """Loads the model, once: whatever takes long belongs here."""
        folder = context.system_properties["model_dir"]
        with open(os.path.join(folder, "weights.json"), encoding="utf-8") as file:
            self.weights = json.load(file)
        self.threshold = context.model_yaml_config["threshold"]

    def handle(self, data, context):
        """Answers a batch: a row of `data` for each request, and a result for each row."""
        return [self.answer(row, index, context) for index, row in enumerate(data)]

    def answer(self, row, index, context):
        body = document(row.get("body"))
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str):
            # Only this request of the batch fails.
            context.set_response_status(400, "Bad Request", index)
            return {"error": 'send JSON such as {"text": "what a lovely day"}'}
        words = re.findall(r"\w+", text.lower())
        score = sum(self.weights.get(word, 0) for word in words)
        return {"mood": "glad" if score >= self.threshold else "sad", "score": score}


def document(body):
    """The JSON of a request. Without a content type, as `curl -T` sends it, it comes as bytes."""
    if not isinstance(body, (bytes, bytearray)):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None
