"""A streamer for `generate` of Hugging Face's transformers that serves a whole batch: pieces of text, as they become certain."""

from __future__ import annotations

import queue
from typing import Any, Dict, Iterator, List, Optional


class _TextSoFar:
    """One stream of tokens, and how much of its text has been given out."""

    def __init__(self) -> None:
        self.tokens: List[int] = []
        self.shown = 0


class TextIteratorStreamerBatch:
    """Give it to `generate(streamer=…)` on another thread and iterate over it: lists of `{"text": piece}`, one for each stream.

    The iteration ends when any of the streams ends. `timeout` is how many seconds it waits for the next token (queue.Empty then).
    """

    def __init__(
        self,
        tokenizer: Any,
        batch_size: int,
        skip_prompt: bool = False,
        timeout: Optional[float] = None,
        **decode_kwargs: Any,
    ) -> None:
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.skip_prompt = skip_prompt
        self.timeout = timeout
        self.decode_kwargs = decode_kwargs
        self.next_tokens_are_prompt = True
        self._streams = [_TextSoFar() for _ in range(batch_size)]
        self._pieces: Any = queue.Queue()

    def put(self, value: Any) -> None:
        """Takes the next token or tokens of each stream. Raises ValueError when there are more or fewer than `batch_size` of them."""
        if value.shape[0] != self.batch_size:
            raise ValueError("put takes tokens of %d streams, not %d" % (self.batch_size, value.shape[0]))
        if self.next_tokens_are_prompt:
            self.next_tokens_are_prompt = False
            if self.skip_prompt:
                return
        rows = value.tolist()
        self._pieces.put([self._add(stream, row) for stream, row in zip(self._streams, rows)])

    def end(self) -> None:
        """Gives out what was held back, and ends the iteration."""
        self._pieces.put([{"text": self._text(stream)[stream.shown :]} for stream in self._streams])
        self._pieces.put(None)
        self._streams = [_TextSoFar() for _ in range(self.batch_size)]
        self.next_tokens_are_prompt = True

    def __iter__(self) -> Iterator[List[Dict[str, str]]]:
        return self

    def __next__(self) -> List[Dict[str, str]]:
        pieces = self._pieces.get(timeout=self.timeout)
        if pieces is None:
            raise StopIteration
        return pieces

    def _add(self, stream: _TextSoFar, row: Any) -> Dict[str, str]:
        stream.tokens.extend(row if isinstance(row, list) else [row])
        text = self._text(stream)
        if text.endswith("\n"):
            piece = text[stream.shown :]
            stream.tokens, stream.shown = [], 0
        else:
            # The next token may still change the last word, but not what comes before it; ideographs are words of their own.
            end = len(text) if text and _is_ideograph(text[-1]) else text.rfind(" ") + 1
            piece = text[stream.shown : end]
            stream.shown += len(piece)
        return {"text": piece}

    def _text(self, stream: _TextSoFar) -> str:
        return self.tokenizer.decode(stream.tokens, **self.decode_kwargs) if stream.tokens else ""


def _is_ideograph(character: str) -> bool:
    code = ord(character)
    return (
        0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x2FA1F
    )
