"""The whole Iris workshop beside the same scripts on the same datums by hand, in one run; and the daemon's peak memory.

    python tests/benchmarks/iris_workshop.py [--rounds 3]

By hand is what a shell does without Pachyderm: each script once for each datum, Monday's files one after the other as
step 9's one worker does, what follows by `xargs -P 3` as its three workers do. No versions, no skipping, no provenance.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BY_HAND = """
set -e
export PATH={bin}:$PATH
cd {root}
code=pach-pytorch; out={out}
python3 $code/pre_process.py data/iris.csv $out/pre
python3 $code/train.py $out/pre $out/train
for name in test1 test2; do python3 $code/infer.py $out/train/model.pt data/$name.csv $out/step7; done
for file in data/field/monday/*.csv; do python3 $code/infer.py $out/train/model.pt $file $out/step9; done
ls data/field/tuesday/*.csv | xargs -P 3 -I @ python3 $code/infer.py $out/train/model.pt @ $out/step9
sed 1,2d data/iris.csv > $out/iris.csv
python3 $code/pre_process.py $out/iris.csv $out/pre2
python3 $code/train.py $out/pre2 $out/train2
ls data/test?.csv data/field/*/*.csv | xargs -P 3 -I @ python3 $code/infer.py $out/train2/model.pt @ $out/step10
"""


def by_hand(folder: Path) -> float:
    script = BY_HAND.format(bin=Path(sys.executable).parent, root=ROOT, out=folder)
    started = time.perf_counter()
    subprocess.run(["/bin/bash", "-c", script], check=True, capture_output=True)
    return time.perf_counter() - started


def by_workshop(folder: Path) -> tuple[float, int]:
    """(seconds of `workshop run`, peak KiB of the daemon); `up` and `down` included and not included, respectively."""
    environment = os.environ | {"WORKSHOP_STATE": str(folder), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("PACHD_ADDRESS", None)
    command = [sys.executable, "-m", "workshop"]
    started = time.perf_counter()
    try:
        subprocess.run([*command, "run", "--quiet"], cwd=ROOT, env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        pid = int((folder / "pid").read_text())
        status = Path(f"/proc/{pid}/status")
        peak = 0
        if status.exists():
            peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    finally:
        subprocess.run([*command, "down"], cwd=ROOT, env=environment, check=True, capture_output=True)
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ours, theirs, peaks = [], [], []
    for number in range(args.rounds):
        folder = Path(tempfile.mkdtemp(prefix="iris-"))
        theirs.append(by_hand(folder / "hand"))
        seconds, peak = by_workshop(folder / "state")
        ours.append(seconds)
        peaks.append(peak)
        shutil.rmtree(folder)
        print(f"round {number + 1}: workshop {ours[-1]:.1f} s, by hand {theirs[-1]:.1f} s", flush=True)
    ratio = statistics.median(ours) / statistics.median(theirs)
    medians = f"workshop {statistics.median(ours):.1f} s / by hand {statistics.median(theirs):.1f} s"
    print(f"{medians} = {ratio:.2f} (limit 1.3)")
    if max(peaks):
        print(f"the daemon's peak memory, without user code: {max(peaks) / 1024:.0f} MiB (limit 120 MB = 114 MiB)")


if __name__ == "__main__":
    main()
