"""Splitting English text into tokens and n-grams."""

from __future__ import annotations

import re
from typing import Callable, Iterable, Iterator, List, Optional

#: What the basic tokenizer writes around or instead of punctuation, in this order.
_REPLACEMENTS = [
    ("'", " '  "),
    ('"', ""),
    (".", " . "),
    ("<br />", " "),
    (",", " , "),
    ("(", " ( "),
    (")", " ) "),
    ("!", " ! "),
    ("?", " ? "),
    (";", " "),
    (":", " "),
]
_BLANKS = re.compile(r"\s+")


def get_tokenizer(tokenizer: Optional[str], language: str = "en") -> Optional[Callable[[str], List[str]]]:
    """A function from text to tokens: by blanks for None, with punctuation for "basic_english", None for other names.

    Raises ValueError for "basic_english" in another language.
    """
    if tokenizer is None:
        return str.split
    if tokenizer != "basic_english":
        return None
    if language != "en":
        raise ValueError("basic_english splits English (en) only, not %s" % language)
    return _basic_english


def ngrams_iterator(token_list: Iterable[str], ngrams: int) -> Iterator[str]:
    """The tokens, then their pairs, triples and so on up to `ngrams`, joined by blanks."""
    tokens = list(token_list)
    yield from tokens
    for length in range(2, ngrams + 1):
        for start in range(len(tokens) - length + 1):
            yield " ".join(tokens[start : start + length])


def _basic_english(text: str) -> List[str]:
    text = text.lower()
    for old, new in _REPLACEMENTS:
        text = text.replace(old, new)
    return _BLANKS.sub(" ", text).split()
