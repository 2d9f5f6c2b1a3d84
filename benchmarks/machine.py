"""What this machine can do at best: the bounds that measured speeds are read against.

Leaves: the processor's name, its cores, measured rates of matrix multiplication and of memory.
Called by every benchmark, in a process that may load TensorFlow.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MATRIX = 2_048
MEMORY_BYTES = 256 * 2**20
REPEATS = 5


def measure_machine() -> dict[str, Any]:
    """Names and measured rates of this machine, the best of five repeats.

    Returns:
        `processor`, `cores`, `float32_gflops` and `bfloat16_gflops` (2 n^3 operations of a product
        of two 2,048 x 2,048 matrices, by TensorFlow), `memory_gb_per_second` (bytes read and
        written by a copy of 256 MiB).
    """
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "float32_gflops": round(_multiplication_rate("float32"), 1),
        "bfloat16_gflops": round(_multiplication_rate("bfloat16"), 1),
        "memory_gb_per_second": round(_memory_rate(), 1),
    }


def peak_megabytes(status: Path = Path("/proc/self/status")) -> float:
    """The most memory that this process has held at once, in MB of a million bytes.

    `getrusage` would count what the process held that started this one.
    """
    lines = status.read_text(encoding="utf-8").splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return kibibytes * 1024 / 1e6


def processor_name(information: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the kernel tells it."""
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _multiplication_rate(precision: str) -> float:
    import tensorflow as tf

    values = tf.random.stateless_normal([MATRIX, MATRIX], seed=(1, 2))
    matrix = tf.cast(values, precision)
    multiply = tf.function(lambda: tf.linalg.matmul(matrix, matrix))
    return 2 * MATRIX**3 / _fastest(lambda: multiply().numpy()) / 1e9


def _memory_rate() -> float:
    import numpy as np

    source = np.ones(MEMORY_BYTES, dtype="uint8")
    target = np.empty_like(source)
    return 2 * MEMORY_BYTES / _fastest(lambda: np.copyto(target, source)) / 1e9


def _fastest(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
