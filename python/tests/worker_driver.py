"""Drives a real worker process for the tests: the server's end of both channels, with a deadline instead of sleeping."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from packages import PACKAGES_DIR
from sconce_worker.frames import Frame, FrameReader, encode_frame, send_buffers

_DEADLINE_SEC = 60.0


class WorkerDriver:
    """One worker process for a model folder made of the given files. A context manager: nothing survives it."""

    def __init__(self, files: Dict[str, str], env: Optional[Dict[str, str]] = None) -> None:
        self.model_dir = tempfile.mkdtemp(prefix="sconce-model-")
        for path, text in files.items():
            full = os.path.join(self.model_dir, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(textwrap.dedent(text))
        self._env = dict(os.environ, PYTHONPATH=os.pathsep.join([self.model_dir, PACKAGES_DIR]), **(env or {}))
        self._log = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        self.data, child_data = socket.socketpair()
        self.control, child_control = socket.socketpair()
        for sock in (self.data, self.control):
            sock.settimeout(_DEADLINE_SEC)
        self.process = self._spawn(child_data, child_control)
        child_data.close()
        child_control.close()
        self._data_reader = FrameReader(self.data)
        self._control_reader = FrameReader(self.control)
        self._next_id = 0

    def _spawn(self, data: socket.socket, control: socket.socket) -> "subprocess.Popen[str]":
        # A launcher in the worker's place puts the sockets on descriptors 3 and 4 and becomes the worker.
        launcher = (
            "import fcntl, os, sys; given = (%d, %d); copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in given]; "
            "[os.dup2(copy, 3 + i) for i, copy in enumerate(copies)]; [os.close(fd) for fd in given if fd > 4]; "
            "os.execv(sys.executable, [sys.executable, '-u', '-m', 'sconce_worker'])"
            % (data.fileno(), control.fileno())
        )
        return subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", launcher],
            cwd=self.model_dir,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=(data.fileno(), control.fileno()),
        )

    def __enter__(self) -> "WorkerDriver":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.data.close()
        self.control.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()
        shutil.rmtree(self.model_dir, ignore_errors=True)

    # --- the server's words -----------------------------------------------------------------------------------------

    def load(self, handler: Optional[str] = "handler.py", **fields: Any) -> Frame:
        """Sends `load` and returns the answer, `ready` or `error`."""
        header = {
            "type": "load",
            "protocol": 1,
            "modelName": "tested",
            "modelVersion": "1.0",
            "modelDir": self.model_dir,
            "handler": handler,
            "batchSize": 1,
            "gpuId": None,
            "envelope": None,
            "limitMaxImagePixels": True,
            "decodeInput": True,
            "modelConfig": None,
            "maxResponseBytes": 1000000,
            "creditBytes": 262144,
            "serverVersion": "0.1.0",
            "rank": 0,
            "worldSize": 1,
        }
        header.update(fields)
        self.send(header)
        return self.receive_but_metrics()

    def send(self, header: Dict[str, Any], parts: Sequence[bytes] = ()) -> None:
        send_buffers(self.data, encode_frame(header, parts))

    def command(self, **header: Any) -> None:
        """Sends a message on the control channel."""
        send_buffers(self.control, encode_frame(header))

    def predict(self, *requests: Dict[str, Any], kind: str = "predict", **fields: Any) -> List[int]:
        """Sends a batch, with further fields of its message, and returns the ids of its jobs.

        A request has `inputs` ({name: (content type, bytes)}), `files` ({name: (path, offset, length)}) and `headers`.
        """
        jobs, parts, ids = [], [], []
        for request in requests:
            self._next_id += 1
            ids.append(self._next_id)
            inputs = []
            for name, (content_type, value) in request.get("inputs", {}).items():
                inputs.append({"name": name, "contentType": content_type})
                parts.append(value)
            for name, (path, offset, length) in request.get("files", {}).items():
                inputs.append({"name": name, "contentType": "", "file": path, "offset": offset, "length": length})
            jobs.append(
                {
                    "id": self._next_id,
                    "requestId": "r-%d" % self._next_id,
                    "kind": kind,
                    "headers": request.get("headers", []),
                    "inputs": inputs,
                }
            )
        self.send({"type": "predict", "jobs": jobs, **fields}, parts)
        return ids

    # --- the worker's words -----------------------------------------------------------------------------------------

    def receive(self) -> Optional[Frame]:
        return self._data_reader.read()

    def receive_control(self) -> Optional[Frame]:
        return self._control_reader.read()

    def receive_but_metrics(self) -> Frame:
        frame = self.receive()
        while frame is not None and frame.header["type"] == "metric":
            frame = self.receive()
        if frame is None:
            raise AssertionError("the worker closed the data channel; its log:\n" + self.log())
        return frame

    def receive_until(self, is_enough: Callable[[Frame], bool]) -> List[Frame]:
        """All frames up to the first that is enough."""
        frames: List[Frame] = []
        while not frames or not is_enough(frames[-1]):
            frame = self.receive()
            if frame is None:
                raise AssertionError("the worker closed the data channel; its log:\n" + self.log())
            frames.append(frame)
        return frames

    def answers(self, ids: Sequence[int]) -> Dict[int, Tuple[str, Any, List[Dict[str, Any]]]]:
        """What became of each job: (`json`/`text`/`binary`, all its bytes, its outputs) or (code, message, [])."""
        found: Dict[int, Tuple[str, Any, List[Dict[str, Any]]]] = {}
        pieces: Dict[int, bytearray] = {job: bytearray() for job in ids}
        outputs: Dict[int, List[Dict[str, Any]]] = {job: [] for job in ids}
        while len(found) < len(ids):
            header, parts = self.receive_but_metrics()
            if header["type"] == "output":
                for output, part in zip(header["outputs"], parts):
                    job = output["job"]
                    pieces[job] += part
                    outputs[job].append(output)
                    if output["last"]:
                        found[job] = (output["as"], bytes(pieces[job]), outputs[job])
            elif header["type"] == "error":
                for job in header["jobs"]:
                    found[job] = (header["code"], header["message"], [header])
        return found

    def ask(self, *requests: Dict[str, Any], kind: str = "predict") -> List[Tuple[str, Any, List[Dict[str, Any]]]]:
        """Sends a batch and returns what became of its jobs, in order."""
        ids = self.predict(*requests, kind=kind)
        found = self.answers(ids)
        return [found[job] for job in ids]

    def exit_code(self) -> int:
        return self.process.wait(timeout=_DEADLINE_SEC)

    def log(self) -> str:
        """What the worker has printed so far."""
        self._log.seek(0)
        return self._log.read()


def json_request(text: str, **fields: Any) -> Dict[str, Any]:
    """A request with a JSON body."""
    return dict({"inputs": {"body": ("application/json", text.encode("utf-8"))}}, **fields)
