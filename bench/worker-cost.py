"""`python3 bench/worker-cost.py`: what the Python worker costs by itself, beside a bare echo, in one run.

Two figures: from the start of the process to `ready` for a handler without torch, and what a noop request costs on top of an echo
that reads and writes as many bytes: processor time of the process (Linux), and time until the answer is here, which has the wake-ups of
both ends in it. Rounds of both take turns, so that a busy machine disturbs them alike; the quietest tenth of the rounds tells what the
work itself takes. It measures and judges nothing: the exit code is 0 whatever the figures are.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, Tuple

PACKAGES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python")
HANDLER = "def handle(data, context):\n    return ['ok'] * len(data) if data else None\n"
ECHO = """
import socket, sys
sock = socket.socket(fileno=3)
count, answer = int(sys.argv[1]), b'.' * int(sys.argv[2])
buffer = memoryview(bytearray(65536))
while True:
    taken = 0
    while taken < count:
        received = sock.recv_into(buffer)
        if not received:
            sys.exit(0)
        taken += received
    sock.sendall(answer)
"""
ROUNDS = 60
REQUESTS_PER_ROUND = 1000
STARTS = 15
BATCH_SIZES = (1, 8, 32)
BODY = b'{"instances": [[5.1, 3.5, 1.4, 0.2]], "parameters": {"top_k": 1}}'


def frame(header: Dict[str, object], parts: Tuple[bytes, ...] = ()) -> bytes:
    if parts:
        header = dict(header, parts=[len(part) for part in parts])
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    return len(text).to_bytes(4, "big") + text + b"".join(parts)


def load_frame(folder: str, batch_size: int) -> bytes:
    return frame(
        {
            "type": "load",
            "protocol": 1,
            "modelName": "noop",
            "modelVersion": "1.0",
            "modelDir": folder,
            "handler": "handler.py",
            "batchSize": batch_size,
            "creditBytes": 262144,
            "serverVersion": "0",
        }
    )


def predict_frame(batch_size: int) -> bytes:
    headers = [
        ["Host", "127.0.0.1"],
        ["Content-Type", "application/json"],
        ["Content-Length", str(len(BODY))],
        ["url_path", ""],
    ]
    inputs = [{"name": "body", "contentType": "application/json"}]
    request_id = "3f0c1f9e-6d5a-4d29-9d0f-5f4d7a3c1b2e"
    jobs = [
        {"id": number, "requestId": request_id, "kind": "predict", "headers": headers, "inputs": inputs}
        for number in range(batch_size)
    ]
    return frame({"type": "predict", "jobs": jobs}, (BODY,) * batch_size)


class Child:
    """A process with a socket as its descriptor 3 (and one as 4)."""

    def __init__(self, arguments: List[str], folder: str) -> None:
        self.data, data = socket.socketpair()
        self.control, control = socket.socketpair()
        self.data.settimeout(60)
        # What the server does with `stdio`: the sockets become descriptors 3 and 4 of the program itself.
        launcher = (
            "import fcntl, os, sys; given = (%d, %d); copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in given]; "
            "[os.dup2(copy, 3 + i) for i, copy in enumerate(copies)]; [os.close(fd) for fd in given if fd > 4]; "
            "os.execv(sys.executable, [sys.executable, *%r])" % (data.fileno(), control.fileno(), arguments)
        )
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", launcher],
            cwd=folder,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join([folder, PACKAGES])),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(data.fileno(), control.fileno()),
        )
        data.close()
        control.close()

    def exchange(self, request: bytes, end: bytes) -> int:
        """Sends a request and reads until `end` has come; returns how many bytes came."""
        self.data.sendall(request)
        return len(self.read_until(end))

    def read_until(self, end: bytes) -> bytes:
        received = self.data.recv(65536)
        while end not in received[-200000:]:
            more = self.data.recv(65536)
            if not more:
                raise SystemExit("the process ended: %r" % received)
            received += more
        return received

    def stop(self) -> None:
        self.data.close()
        self.control.close()
        self.process.wait()


def start_worker(folder: str, batch_size: int) -> Tuple[Child, float]:
    """A worker that is ready, and the milliseconds that it took, the launcher's own included."""
    started_at = time.perf_counter()
    worker = Child(["-u", "-m", "sconce_worker"], folder)
    worker.exchange(load_frame(folder, batch_size), b'"ready"')
    return worker, (time.perf_counter() - started_at) * 1000


def start_bare(folder: str) -> float:
    """The milliseconds that an interpreter takes that does nothing, by the same launcher."""
    started_at = time.perf_counter()
    child = Child(["-c", "import socket; socket.socket(fileno=3).sendall(b'ready')"], folder)
    child.read_until(b"ready")
    elapsed_ms = (time.perf_counter() - started_at) * 1000
    child.stop()
    return elapsed_ms


def cpu_us(pid: int) -> float:
    """Time that a process has had a processor so far, in microseconds; nan where /proc does not tell."""
    try:
        with open("/proc/%d/schedstat" % pid, encoding="ascii") as file:
            return int(file.read().split()[0]) / 1000
    except OSError:
        return float("nan")


def cost(child: Child, request: bytes, end: bytes, batches: int) -> Tuple[float, float]:
    """Microseconds of processor, and until the answer, of one batch."""
    cpu_before, started_at = cpu_us(child.process.pid), time.perf_counter()
    for _ in range(batches):
        child.exchange(request, end)
    elapsed_us = (time.perf_counter() - started_at) * 1e6
    return (cpu_us(child.process.pid) - cpu_before) / batches, elapsed_us / batches


def measure_starts(folder: str) -> None:
    bare, ready = [], []
    for _ in range(STARTS):
        bare.append(start_bare(folder))
        worker, elapsed_ms = start_worker(folder, 1)
        worker.stop()
        ready.append(elapsed_ms)
    shown = (statistics.median(ready), min(ready), statistics.median(bare), min(bare))
    print("start to ready: %.0f ms, at best %.0f (an interpreter that does nothing: %.0f, at best %.0f)" % shown)


def measure_requests(folder: str, batch_size: int) -> None:
    worker, _ = start_worker(folder, batch_size)
    request = predict_frame(batch_size)
    # The last bytes of a batch's answer are its results.
    end = b"ok" * batch_size
    answer_bytes = worker.exchange(request, end)
    echo = Child(["-c", ECHO, str(len(request)), str(answer_bytes)], folder)
    pairs = ((worker, end), (echo, b"." * answer_bytes))
    batches = max(1, REQUESTS_PER_ROUND // batch_size)
    for child, child_end in pairs:  # Warms both up.
        cost(child, request, child_end, batches)
    rounds = [[cost(child, request, child_end, batches) for child, child_end in pairs] for _ in range(ROUNDS)]
    worker.stop()
    echo.stop()
    shown = []
    for measure in (0, 1):
        mine, bare = ([each[child][measure] / batch_size for each in rounds] for child in (0, 1))
        shown += [statistics.median(mine) - statistics.median(bare), quiet(mine) - quiet(bare)]
    print(
        "noop, batches of %d: %.1f µs of processor a request, when it is quiet %.1f; until the answer %.1f, %.1f"
        % (batch_size, *shown)
    )


def quiet(values: List[float]) -> float:
    """What the quietest tenth does not exceed."""
    return sorted(values)[len(values) // 10]


def main() -> None:
    folder = tempfile.mkdtemp(prefix="sconce-worker-cost-")
    try:
        with open(os.path.join(folder, "handler.py"), "w", encoding="utf-8") as file:
            file.write(HANDLER)
        version = sys.version.split()[0]
        print("Python %s; medians of %d rounds; a request costs so much on top of an echo" % (version, ROUNDS))
        measure_starts(folder)
        for batch_size in BATCH_SIZES:
            measure_requests(folder, batch_size)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
