"""Bytes to frames and back: `u32 header length | header (JSON) | parts`.

Owns the bounds of what a peer may claim and the two ways of moving bytes (one receive for many small frames, one contiguous
buffer for a big part). What a header means belongs to `messages`, who may write when to `outbox`.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Union

from sconce_worker.compact_json import compact_json, parse_json

#: A header is at most this long.
MAX_HEADER_BYTES = 16 * 1024 * 1024
#: A part is at most this long: the largest integer that both ends read exactly.
MAX_PART_BYTES = 2**53 - 1

_RECEIVE_BYTES = 64 * 1024
#: Memory for a big part is taken in steps that what has really arrived justifies.
_GROWTH_BYTES = 1024 * 1024
#: Below this size, joining the buffers costs less than handing a list of them to the kernel.
_JOIN_BYTES = 32 * 1024
#: What every system accepts in one `sendmsg` (IOV_MAX is 1024).
_BUFFERS_PER_SEND = 512

_LENGTH = struct.Struct(">I")

Buffer = Union[bytes, bytearray]
Header = Dict[str, Any]


class FrameError(Exception):
    """The peer sent what is not a frame. `reason` is one of the words that test/fixtures/frames/frames.json lists."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Frame(NamedTuple):
    """One message: a header with a `type`, and its raw parts in order."""

    header: Header
    parts: List[bytearray]


def encode_frame(header: Header, parts: Sequence[Buffer] = ()) -> List[Buffer]:
    """The buffers of one frame, ready for `send_buffers`; parts are not copied.

    `parts` is appended to the header as its last key, and only when there are any. Raises ValueError for a header that JSON
    cannot carry (NaN, for instance).
    """
    return encode_text(compact_json(header), parts)


def encode_text(header: str, parts: Sequence[Buffer] = ()) -> List[Buffer]:
    """The same for a header that is JSON already, an object with at least one member."""
    if parts:
        header = '%s,"parts":[%s]}' % (header[:-1], ",".join([str(len(part)) for part in parts]))
    # A lone surrogate (a file name in an exception's text, say) must not end the worker: it becomes a question mark.
    text = header.encode("utf-8", "replace")
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(
            "the header has %d bytes, more than the %d that a frame may have" % (len(text), MAX_HEADER_BYTES)
        )
    return [_LENGTH.pack(len(text)) + text, *parts]


def send_buffers(sock: socket.socket, buffers: Sequence[Buffer]) -> None:
    """Writes all buffers in order, without joining big ones. The caller sees to it that nobody else writes meanwhile."""
    if len(buffers) == 1:
        sock.sendall(buffers[0])
        return
    if sum(map(len, buffers)) <= _JOIN_BYTES:
        sock.sendall(b"".join(buffers))
        return
    waiting = [memoryview(buffer) for buffer in buffers if buffer]
    first = 0
    while first < len(waiting):
        sent = sock.sendmsg(waiting[first : first + _BUFFERS_PER_SEND])
        while sent:
            size = len(waiting[first])
            if sent < size:
                waiting[first] = waiting[first][sent:]
                break
            sent -= size
            first += 1


class FrameReader:
    """Reads frames from a blocking socket. One thread at a time.

    `on_wait` is called before a read that has to wait for the peer.
    """

    def __init__(self, sock: socket.socket, on_wait: Optional[Callable[[], None]] = None) -> None:
        self._sock = sock
        self._on_wait = on_wait
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        self._poll = poller.poll
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._start = 0
        self._end = 0

    def has_more(self) -> bool:
        """Whether something has come that was not read yet, be it the end."""
        return self._end > self._start or bool(self._poll(0))

    def read(self) -> Optional[Frame]:
        """The next frame, or None when the peer closed between two frames. Raises FrameError for anything else."""
        if self._end - self._start < 4 and not self._fill(4, is_frame_start=True):
            return None
        (size,) = _LENGTH.unpack_from(self._buffer, self._start)
        self._start += 4
        if size > MAX_HEADER_BYTES:
            raise FrameError("header-too-large", "a header of %d bytes; %d are allowed" % (size, MAX_HEADER_BYTES))
        header = _parse_header(self._take_text(size))
        lengths = header.pop("parts", None)
        if lengths is None:
            return Frame(header, [])
        _check_lengths(lengths)
        return Frame(header, [self._take(length) for length in lengths])

    def _fill(self, size: int, is_frame_start: bool = False) -> bool:
        """Makes `size` bytes (at most the buffer's length) lie together in the buffer; False at a clean end."""
        buffer = self._buffer
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start + size > len(buffer):
            kept = self._end - self._start
            buffer[:kept] = bytes(buffer[self._start : self._end])
            self._start, self._end = 0, kept
        while self._end - self._start < size:
            received = self._receive(buffer[self._end :])
            if not received:
                if is_frame_start and self._start == self._end:
                    return False
                raise _truncated()
            self._end += received
        return True

    def _take_text(self, size: int) -> Buffer:
        """The next `size` bytes, to be read only."""
        start = self._start
        if size > self._end - start:
            return self._take(size)
        self._start = start + size
        return self._buffer[start : start + size].tobytes()

    def _take(self, size: int) -> bytearray:
        """The next `size` bytes as one new bytearray."""
        if size <= self._end - self._start or (size <= _RECEIVE_BYTES // 2 and self._fill(size)):
            start = self._start
            self._start = start + size
            return bytearray(self._buffer[start : start + size])
        taken = bytearray(self._buffer[self._start : self._end])
        self._start = self._end = 0
        filled = len(taken)
        while filled < size:
            taken.extend(bytes(min(size - filled, max(filled, _GROWTH_BYTES))))
            with memoryview(taken) as view:
                while filled < len(view):
                    received = self._receive(view[filled:])
                    if not received:
                        raise _truncated()
                    filled += received
        return taken

    def _receive(self, into: memoryview) -> int:
        # Asking first: an attempt that fails, with its exception, takes three times as long.
        if self._on_wait is not None and not self._poll(0):
            self._on_wait()
        return self._sock.recv_into(into)


def _truncated() -> FrameError:
    return FrameError("truncated", "the channel closed in the middle of a frame")


def _parse_header(raw: Buffer) -> Header:
    try:
        header = parse_json(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FrameError("header-not-json", "a header that is not JSON in UTF-8: %s" % error) from None
    if not isinstance(header, dict):
        raise FrameError("header-not-an-object", "a header that is not a JSON object but %s" % type(header).__name__)
    if not isinstance(header.get("type"), str):
        raise FrameError("type-missing", "a header without a type")
    return header


def _check_lengths(lengths: Any) -> None:
    if not isinstance(lengths, list):
        raise FrameError("parts-not-a-list", "a header whose parts are not a list")
    for length in lengths:
        # type(), not isinstance(): JSON's true is an int in Python.
        if type(length) is not int or not 0 <= length <= MAX_PART_BYTES:
            raise FrameError("part-length-invalid", "a part of length %.40r" % (length,))
