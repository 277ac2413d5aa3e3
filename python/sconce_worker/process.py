"""The process around the worker: its two sockets, who may inherit them, how it dies with the server, and its log."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import sys
from typing import Optional, Tuple

DATA_DESCRIPTOR = 3
CONTROL_DESCRIPTOR = 4

_PR_SET_PDEATHSIG = 1


def set_up_process() -> Tuple[socket.socket, socket.socket]:
    """Prepares the process and returns its data and control sockets. Exits with a hint when they are not there."""
    die_with_parent()
    # The terminal's Ctrl-C goes to the whole foreground group; the server decides when its workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(faulthandler, "register"):
        # By this signal the server asks where a model hangs that does not get loaded; the answer goes to stderr.
        faulthandler.register(signal.SIGUSR1)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    try:
        data = _inherited_socket(DATA_DESCRIPTOR)
        control = _inherited_socket(CONTROL_DESCRIPTOR)
    except OSError as error:
        sys.exit(
            "sconce_worker is started by the server, which hands it sockets as descriptors %d and %d: %s"
            % (DATA_DESCRIPTOR, CONTROL_DESCRIPTOR, error)
        )

    def close_in_child() -> None:
        # A forked child that outlives the worker must not keep the server waiting for the end of the channels.
        data.close()
        control.close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close_in_child)
    return data, control


def share_cores(threads: Optional[int]) -> None:
    """Has the numeric libraries that a handler imports use so many threads, where that is less than all cores.

    Each would take all of them, and workers of one model would be in each other's way. What the operator has set counts.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads is not None and threads < cores:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def die_with_parent() -> None:
    """On Linux, asks the kernel to kill this process when the server dies, even inside a C call that never returns."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return  # The control thread still ends the process, unless a C call holds the interpreter.
    if os.getppid() != parent:
        os._exit(0)  # The server died before the kernel knew of our wish.


def _inherited_socket(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(True)
    sock.set_inheritable(False)
    return sock
