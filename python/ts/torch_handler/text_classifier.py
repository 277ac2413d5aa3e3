"""The built-in handler `text_classifier`."""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Tuple

import torch
import torch.nn.functional as F

from ts.handler_utils.text_utils import ngrams_iterator
from ts.torch_handler.explanations import as_class
from ts.torch_handler.text_handler import TextHandler
from ts.utils.util import map_class_to_label

logger = logging.getLogger(__name__)


class TextClassifier(TextHandler):
    """A text to the probabilities of its classes, by a model that takes a bag of n-grams: `model(indices, offsets)`."""

    ngrams = 2

    def preprocess(self, data: Any) -> Tuple[Any, Any]:
        """The indices of all n-grams of all texts, in one row, and the tokens: a list, or for several texts one list each."""
        tokens = [self._tokens_of(row) for row in data]
        indices = [self.source_vocab[gram] for each in tokens for gram in ngrams_iterator(each, self.ngrams)]
        tensor = torch.as_tensor(indices, dtype=torch.long, device=self.device)
        return tensor, tokens[0] if len(tokens) == 1 else tokens

    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """The scores of the classes, a row for each text."""
        indices, tokens = data
        offsets = self._offsets(tokens)[:-1]
        with torch.no_grad():
            return self.model(indices, torch.as_tensor(offsets, device=self.device))

    def postprocess(self, data: Any) -> List[Dict[str, float]]:
        """`{label: probability}` of all classes, for each text."""
        return map_class_to_label(F.softmax(data, dim=-1).tolist(), self.mapping)

    def get_insights(self, tensor_data: Any, inputs: Any, target: Any = 0) -> List[Dict[str, Any]]:
        """How much each n-gram counted for `target`, and the words. Needs captum."""
        indices, tokens = tensor_data
        texts = self._texts(tokens)
        targets = target if isinstance(target, list) else [target] * len(texts)
        bounds = self._offsets(tokens)
        insights = []
        for number, words in enumerate(texts):
            attributions = self.lig.attribute(
                indices[bounds[number] : bounds[number + 1]],
                target=as_class(targets[number]),
                additional_forward_args=(torch.as_tensor([0], device=self.device),),
            )
            insights.append(
                {"importances": self.summarize_attributions(attributions).reshape(-1).tolist(), "words": words}
            )
        return insights

    def _tokens_of(self, row: Any) -> List[str]:
        text = row.get("data") or row.get("body")
        if isinstance(text, (bytes, bytearray)):
            text = text.decode("utf-8")
        text = self._expand_contractions(self._remove_html_tags(text).lower())
        return self._tokenize(self._remove_punctuation(self._remove_accented_characters(text)))

    def _offsets(self, tokens: Any) -> List[int]:
        """Where the n-grams of each text begin, and where the last ones end."""
        bounds = [0]
        for words in self._texts(tokens):
            bounds.append(bounds[-1] + sum(1 for _ in ngrams_iterator(words, self.ngrams)))
        return bounds

    @staticmethod
    def _texts(tokens: Any) -> List[List[str]]:
        return tokens if tokens and isinstance(tokens[0], list) else [tokens]
