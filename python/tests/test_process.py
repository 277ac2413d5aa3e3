"""The worker as a process: pings while it computes, stopping, the server's death, forks, signals and its log."""

from __future__ import annotations

import os
import signal
import sys
import threading
import unittest

import packages  # noqa: F401
from worker_driver import WorkerDriver, json_request

HANDLER = """
    import logging, os, subprocess, sys, threading


    def handle(data, context):
        return data and [globals()[row["do"]](context) for row in (r["body"] for r in data)]

    def ok(context):
        return "ok"

    def compute(context):
        while not context.is_cancelled():
            sum(range(1000))
        return "computed"

    def forever(context):
        threading.Event().wait()

    def fork(context):
        pid = os.fork()
        if pid == 0:
            os.close(1), os.close(2)
            threading.Event().wait()
        return pid

    def descriptors_of_fork(context):
        reading, writing = os.pipe()
        if os.fork() == 0:
            found = []
            for descriptor in (3, 4):
                try:
                    os.fstat(descriptor)
                    found.append(descriptor)
                except OSError:
                    pass
            os.write(writing, repr(found).encode())
            os._exit(0)
        os.wait()
        return os.read(reading, 100)

    def descriptors_of_program(context):
        code = "import os\\nfor fd in (3, 4):\\n  try: os.fstat(fd); print(fd)\\n  except OSError: pass"
        return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, close_fds=False).stdout

    def log(context):
        logging.getLogger("mine").info("informed %s", 1)
        logging.debug("not shown")
        print("printed")
        return "ok"

    def spawn(context):
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(abs, [-1])
"""


def do(what: str) -> dict:
    return json_request('{"do": "%s"}' % what)


class Processes(unittest.TestCase):
    def setUp(self) -> None:
        self.worker = WorkerDriver({"handler.py": HANDLER})
        self.addCleanup(self.worker.__exit__)
        self.assertEqual(self.worker.load(batchSize=4).header["type"], "ready")

    def test_pings_are_answered_while_a_handler_computes(self) -> None:
        (job,) = self.worker.predict(do("compute"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        for number in range(3):
            self.worker.command(type="ping", id=number)
            self.assertEqual(self.worker.receive_control().header, {"type": "pong", "id": number})
        self.worker.command(type="cancel", jobs=[job])
        self.assertEqual(self.worker.answers([job])[job][1], b"computed")

    def test_a_job_cancelled_before_its_batch_is_read_ends_without_the_handler(self) -> None:
        first = self.worker.predict(do("compute"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        dropped, wanted = self.worker.predict(do("forever"), do("ok"))
        self.worker.command(type="cancel", jobs=[dropped])
        self.worker.command(type="cancel", jobs=first)
        found = self.worker.answers([*first, dropped, wanted])
        self.assertEqual(found[dropped][1], b"")
        self.assertEqual(found[wanted][1], b"ok")

    def test_stop_when_idle_ends_with_code_0(self) -> None:
        self.worker.command(type="stop")
        self.assertEqual(self.worker.exit_code(), 0)

    def test_stop_lets_the_worker_finish_what_it_has_received(self) -> None:
        first = self.worker.predict(do("compute"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        second = self.worker.predict(do("ok"))
        self.worker.command(type="stop")
        self.worker.command(type="cancel", jobs=first)
        found = self.worker.answers([*first, *second])
        self.assertEqual(found[second[0]][1], b"ok")
        self.assertIsNone(self.worker.receive())
        self.assertEqual(self.worker.exit_code(), 0)

    def test_a_closed_data_channel_ends_the_worker_with_code_0(self) -> None:
        self.worker.data.close()
        self.assertEqual(self.worker.exit_code(), 0)

    def test_a_closed_control_channel_ends_the_worker_in_the_middle_of_a_batch(self) -> None:
        self.worker.predict(do("forever"))
        self.assertEqual(self.worker.receive_but_metrics().header["type"], "started")
        self.worker.control.close()
        self.assertEqual(self.worker.exit_code(), 0)

    def test_nonsense_on_the_control_channel_ends_the_worker(self) -> None:
        self.worker.control.sendall(b"\xff\xff\xff\xff")
        self.assertEqual(self.worker.exit_code(), 1)
        self.assertIn("The control channel failed", self.worker.log())

    def test_the_terminals_interrupt_is_the_servers_business(self) -> None:
        self.worker.process.send_signal(signal.SIGINT)
        self.assertEqual(self.worker.ask(do("ok"))[0][1], b"ok")

    def test_the_log_has_info_bare_and_prints_on_stdout(self) -> None:
        self.worker.ask(do("log"))
        self.assertEqual(self.worker.log().splitlines(), ["informed 1", "printed"])

    def test_processes_that_a_handler_spawns_start_and_end(self) -> None:
        self.assertEqual(self.worker.ask(do("spawn"))[0][1], b"[\n  1\n]")

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_what_a_handler_forks_has_neither_channel(self) -> None:
        self.assertEqual(self.worker.ask(do("descriptors_of_fork"))[0][1], b"[]")

    def test_what_a_handler_executes_has_neither_channel(self) -> None:
        self.assertEqual(self.worker.ask(do("descriptors_of_program"))[0][1], b"")

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_child_does_not_keep_the_channels_open(self) -> None:
        child = int(self.worker.ask(do("fork"))[0][1])
        try:
            self.worker.process.kill()
            self.assertIsNone(self.worker.receive())
            self.assertIsNone(self.worker.receive_control())
        finally:
            os.kill(child, signal.SIGKILL)


@unittest.skipUnless(sys.platform.startswith("linux"), "prctl is Linux's")
class ServerDeath(unittest.TestCase):
    def test_the_worker_dies_with_its_server_even_inside_a_call_that_holds_the_interpreter(self) -> None:
        # The "server" is a process of its own that starts a worker, says its pid and is killed. Somebody else keeps the
        # channels open, so that only the kernel can end the worker, which a C function keeps from running any Python.
        source = """
            import ctypes

            def handle(data, context):
                return data and ctypes.PyDLL(None).sleep(100000)
        """
        server = (
            "import sys, packages; from worker_driver import WorkerDriver\n"
            "import os, textwrap\n"
            "driver = WorkerDriver({'handler.py': %r})\n"
            "driver.load()\n"
            "driver.predict({})\n"
            "driver.receive_but_metrics()\n"
            "keeper = os.fork()\n"
            "if keeper == 0:\n"
            "    os.close(1)\n"
            "    import time; time.sleep(1000)\n"
            "print(driver.process.pid, keeper, driver.model_dir, flush=True)\n"
            "sys.stdin.read()\n" % source
        )
        import shutil
        import subprocess

        tests = os.path.dirname(os.path.abspath(__file__))
        env = dict(os.environ, PYTHONPATH=tests)
        process = subprocess.Popen(
            [sys.executable, "-c", server],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        try:
            worker, keeper, folder = process.stdout.readline().split()
            self.addCleanup(shutil.rmtree, folder, True)
            self.addCleanup(os.kill, int(keeper), signal.SIGKILL)
            process.kill()
            process.wait()
            self.assertTrue(_is_gone(int(worker)), "the worker outlived its server")
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def _is_gone(pid: int) -> bool:
    """Waits, at most half a minute, until a process that is not our child is dead."""
    patience = threading.Event()
    for _ in range(3000):
        try:
            with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        patience.wait(0.01)
    return False


if __name__ == "__main__":
    unittest.main()
