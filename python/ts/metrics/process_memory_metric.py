"""How much memory processes have resident."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

_BYTES_PER_KB = 1024


def get_cpu_usage(pid: str) -> Optional[int]:
    """The resident memory of a process in bytes; None when there is no such process or the system does not tell."""
    if not pid.isdigit():
        return None
    try:
        # Resident pages are the second number of statm; the other way is for systems without /proc.
        with open("/proc/%s/statm" % pid, encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return _from_ps(pid)


def check_process_mem_usage(stdin: Any) -> Dict[str, int]:
    """Reads lines of process ids, separated by commas, and prints `pid:bytes` for each; also returns them.

    A process that is gone counts 0.
    """
    found: Dict[str, int] = {}
    for line in stdin:
        for pid in filter(None, (part.strip() for part in line.split(","))):
            found[pid] = get_cpu_usage(pid) or 0
            print("%s:%d" % (pid, found[pid]), flush=True)
    return found


def _from_ps(pid: str) -> Optional[int]:
    import subprocess

    try:
        done = subprocess.run(
            ["ps", "-o", "rss=", "-p", pid], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10
        )
        return int(done.stdout) * _BYTES_PER_KB
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


if __name__ == "__main__":
    import sys

    check_process_mem_usage(sys.stdin)
