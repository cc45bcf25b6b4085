"""What one call of `workshop pachctl` costs beside what it stands on: python tests/benchmarks/pachctl.py [ROUNDS]

Each round runs every command once, in turn, so that a busy machine is busy for all alike. Wall and CPU time, medians.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from workshop.testing import Pachd  # noqa: E402

_COMMANDS = {
    "python itself": ["-c", "pass"],
    "import python_pachyderm": ["-c", "import python_pachyderm"],
    "version --client-only": ["-m", "workshop.pachctl", "version", "--client-only"],
    "version": ["-m", "workshop.pachctl", "version"],
    "list repo": ["-m", "workshop.pachctl", "list", "repo"],
    "put file (1 KiB)": ["-m", "workshop.pachctl", "put", "file", "bench@master:/f", "-f", "small"],
    "put file (64 MiB)": ["-m", "workshop.pachctl", "put", "file", "bench@master:/g", "-f", "large"],
    "get file (64 MiB)": ["-m", "workshop.pachctl", "get", "file", "bench@master:/g", "-o", "back"],
}


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Pachd(Path(folder) / "state") as daemon:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PACH_CONFIG": f"{folder}/config.json"}
        environment["PACHD_ADDRESS"] = daemon.address
        Path(folder, "small").write_bytes(b"x" * 1024)
        Path(folder, "large").write_bytes(os.urandom(64 << 20))

        def run(arguments: list[str]) -> tuple[float, float]:
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
            wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        run(["-m", "workshop.pachctl", "create", "repo", "bench"])
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMMANDS}
        for _ in range(rounds):
            for name, arguments in _COMMANDS.items():
                times[name].append(run(arguments))
    floor = statistics.median(cpu for _, cpu in times["import python_pachyderm"])
    print(f"{'':28}{'wall s':>9}{'CPU s':>9}{'CPU ÷ import':>14}")
    for name, each in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*each, strict=True))
        print(f"{name:28}{wall:9.3f}{cpu:9.3f}{cpu / floor:14.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
