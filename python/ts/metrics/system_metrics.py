"""Measures the machine: processor, memory, disk and GPUs, as metrics of the level Host.

Without psutil: Linux tells about its processor and memory in /proc; elsewhere these two are left out. A script of an operator may
add functions to a module of its own and hand it to `collect_all`.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import types
from typing import Any, Dict, List, Optional, Tuple

from ts.metrics.dimension import Dimension
from ts.metrics.metric import Metric

system_metrics: List[Metric] = []
dimension = [Dimension("Level", "Host")]

_MB = 1024**2
_GB = 1024**3
_SAMPLE_SEC = 0.1


def cpu_utilization() -> None:
    """Takes a tenth of a second: utilization is a difference."""
    before = _cpu_times()
    if before is None:
        return
    time.sleep(_SAMPLE_SEC)
    after = _cpu_times() or before
    elapsed = after[1] - before[1]
    busy = (after[0] - before[0]) / elapsed if elapsed > 0 else 0.0
    _add("CPUUtilization", round(100 * busy, 1), "percent")


def memory_used() -> None:
    memory = _memory()
    if memory is not None:
        _add("MemoryUsed", (memory[0] - memory[1]) / _MB, "MB")


def memory_available() -> None:
    memory = _memory()
    if memory is not None:
        _add("MemoryAvailable", memory[1] / _MB, "MB")


def memory_utilization() -> None:
    memory = _memory()
    if memory is not None:
        _add("MemoryUtilization", round(100 * (memory[0] - memory[1]) / memory[0], 1), "percent")


def disk_used() -> None:
    _add("DiskUsage", shutil.disk_usage("/").used / _GB, "GB")


def disk_utilization() -> None:
    usage = shutil.disk_usage("/")
    _add("DiskUtilization", round(100 * usage.used / (usage.used + usage.free), 1), "percent")


def disk_available() -> None:
    _add("DiskAvailable", shutil.disk_usage("/").free / _GB, "GB")


def gpu_utilization(num_of_gpu: int) -> None:
    """Asks nvidia-smi about that many GPUs; says nothing where it is not installed."""
    if num_of_gpu <= 0:
        return
    query = "--query-gpu=index,utilization.gpu,memory.used,memory.total"
    try:
        text = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=10,
            check=True,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        return
    for line in text.splitlines()[:num_of_gpu]:
        try:
            index, busy_percent, used_mb, total_mb = [float(field) for field in line.split(",")]
        except ValueError:
            continue
        dimensions = [*dimension, Dimension("DeviceId", int(index))]
        system_metrics.append(Metric("GPUMemoryUtilization", round(100 * used_mb / total_mb, 1), "percent", dimensions))
        system_metrics.append(Metric("GPUMemoryUsed", used_mb, "MB", dimensions))
        system_metrics.append(Metric("GPUUtilization", busy_percent, "percent", dimensions))


def collect_all(mod: Any, num_of_gpu: int) -> None:
    """Calls every public function of a module but this one, and prints each metric as a line, then an empty line."""
    system_metrics.clear()
    for name, function in sorted(vars(mod).items()):
        if not isinstance(function, types.FunctionType) or name.startswith("_") or name == "collect_all":
            continue
        if name == "gpu_utilization":
            function(num_of_gpu)
        else:
            function()
    for metric in system_metrics:
        print(metric)
    print("", flush=True)


def _add(name: str, value: float, unit: str) -> None:
    system_metrics.append(Metric(name, value, unit, dimension))


def _cpu_times() -> Optional[Tuple[float, float]]:
    """Busy and total time of all processors since the machine started."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            times = [float(field) for field in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = times[3] + times[4]
    return sum(times) - idle, sum(times)


def _memory() -> Optional[Tuple[int, int]]:
    """All memory and the available part of it, in bytes."""
    fields: Dict[str, int] = {}
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                fields[name] = int(rest.split()[0]) * 1024
        return fields["MemTotal"], fields["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return None
