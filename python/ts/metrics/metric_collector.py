"""`python -m ts.metrics.metric_collector --gpu N`: prints the machine's metrics, then the memory of the processes named on stdin."""

from __future__ import annotations

import argparse
import sys
from typing import List, Optional

from ts.metrics import system_metrics
from ts.metrics.process_memory_metric import check_process_mem_usage


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(prog="metric_collector", description="Prints system metrics.")
    parser.add_argument("--gpu", type=int, default=0, help="how many GPUs to ask about")
    system_metrics.collect_all(system_metrics, parser.parse_args(arguments).gpu)
    check_process_mem_usage(sys.stdin)


if __name__ == "__main__":
    main()
