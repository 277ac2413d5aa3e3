"""The control channel: a thread that hears the server while a handler computes.

It marks jobs as cancelled, hands on credit, answers pings, and ends the process when the server is gone. The data channel's
reading side is its only way to stop the main loop: what was received before `stop` is still read.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

from sconce_worker.frames import Frame, FrameError, FrameReader, encode_frame, send_buffers
from sconce_worker.outbox import Outbox


class ControlThread(threading.Thread):
    """Reads descriptor 4 until it closes."""

    def __init__(self, control: socket.socket, data: socket.socket, outbox: Outbox) -> None:
        super().__init__(name="sconce-control", daemon=True)
        self._control = control
        self._data = data
        self._outbox = outbox
        #: Set once the server has said `stop`: the end of the data channel is then a wish, wherever it comes.
        self.is_stopping = False

    def run(self) -> None:
        reader = FrameReader(self._control)
        status = 0
        try:
            frame = reader.read()
            while frame is not None:
                self._obey(frame)
                frame = reader.read()
        except OSError:
            pass  # The server is gone, if not politely.
        except Exception as error:
            print("The control channel failed: %r" % error, file=sys.stderr, flush=True)
            status = 1
        # Not sys.exit: the handler may be in a C call that never returns.
        os._exit(status)

    def _obey(self, frame: Frame) -> None:
        header = frame.header
        kind = header["type"]
        if kind == "ping":
            send_buffers(self._control, encode_frame({"type": "pong", "id": header.get("id")}))
            self._outbox.flush()
        elif kind == "cancel":
            self._outbox.cancel(header["jobs"])
        elif kind == "credit":
            self._outbox.grant(header["job"], header["bytes"])
        elif kind == "stop":
            self.is_stopping = True
            try:
                self._data.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # Closed already: the main loop has seen its end.
        else:
            raise FrameError("type-unknown", "the control channel has no message %s" % kind)
