"""The base of handlers whose input is English text."""

from __future__ import annotations

import logging
import os
import re
import string
import unicodedata
from abc import ABC
from typing import Any, List

import torch
import torch.nn.functional as F

from ts.handler_utils.text_utils import get_tokenizer
from ts.torch_handler.base_handler import BaseHandler
from ts.torch_handler.contractions import CONTRACTION_MAP
from ts.torch_handler.explanations import LazyAttribution
from ts.torch_handler.model_files import ModelFileMissing
from ts.torch_handler.torch_features import load_pickled
from ts.utils.util import CLEANUP_REGEX

__all__ = ["CONTRACTIONS_PATTERN", "BaseHandler", "F", "TextHandler"]

logger = logging.getLogger(__name__)

CONTRACTIONS_PATTERN = re.compile("(%s)" % "|".join(map(re.escape, CONTRACTION_MAP)), flags=re.IGNORECASE | re.DOTALL)

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextHandler(BaseHandler, ABC):
    """A model with a vocabulary, and the steps by which text is cleaned before it is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.source_vocab: Any = None
        self.tokenizer: Any = get_tokenizer("basic_english")
        self.input_text: Any = None
        self.lig: Any = None
        self.initialized: Any = None

    def initialize(self, context: Any) -> None:
        """Loads the model and its vocabulary. Raises ModelFileMissing when the archive lacks one of them."""
        super().initialize(context)
        self.initialized = False
        self.source_vocab = load_pickled(self.get_source_vocab_path(context))
        self.lig = LazyAttribution("LayerIntegratedGradients", lambda: (self.model, self.model.embedding))
        self.initialized = True

    def get_source_vocab_path(self, ctx: Any) -> str:
        """The file of the vocabulary: `model.sourceVocab` of the manifest as it is, or source_vocab.pt of the archive."""
        path = ctx.manifest["model"].get("sourceVocab")
        if path is None:
            path = os.path.join(ctx.system_properties.get("model_dir"), "source_vocab.pt")
        if not os.path.isfile(path):
            raise ModelFileMissing(
                "Missing the source_vocab file. The archive has no %s: add it, or name it as model.sourceVocab in the manifest."
                % os.path.basename(path)
            )
        return path

    def _expand_contractions(self, text: str) -> str:
        """Writes contractions out ("don't" as "do not"); apostrophes that remain are dropped."""

        def expand(match: Any) -> str:
            short = match.group(0)
            words = CONTRACTION_MAP.get(short) or CONTRACTION_MAP[short.lower()]
            return short[0] + words[1:]

        return CONTRACTIONS_PATTERN.sub(expand, text).replace("'", "")

    def _remove_accented_characters(self, text: str) -> str:
        return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")

    def _remove_html_tags(self, text: str) -> str:
        return CLEANUP_REGEX.sub("", text)

    def _remove_punctuation(self, text: str) -> str:
        return text.translate(_WITHOUT_PUNCTUATION)

    def _remove_puncutation(self, text: str) -> str:
        """The former spelling of the name."""
        return self._remove_punctuation(text)

    def _tokenize(self, text: str) -> List[str]:
        return self.tokenizer(text)

    def get_word_token(self, input_tokens: List[str]) -> List[str]:
        """Tokens without the mark that says that a blank came before them."""
        return [token.replace("\u0120", "") for token in input_tokens]

    def summarize_attributions(self, attributions: Any) -> Any:
        """One number for each token, of all its dimensions, scaled to a vector of length 1."""
        summed = attributions.sum(dim=-1).squeeze(0)
        return summed / torch.norm(summed)
