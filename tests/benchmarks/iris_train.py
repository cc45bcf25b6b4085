"""What an epoch of pach-pytorch/train.py costs, beside the same training with torch.optim.SGD, in one run.

    python tests/benchmarks/iris_train.py [--epochs 3000] [--rounds 3]

Each way trains in a process of its own, as it does in a worker; what torch.optim costs before its first step is in
its time, because a worker pays it once for each job.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "pach-pytorch"

PROGRAM = """
import contextlib, io, sys, time
sys.path.insert(0, {scripts!r})
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
import train
from model import Net
torch.manual_seed(0)
torch.set_num_threads(1)
x, y = torch.rand(145, 4), torch.nn.functional.one_hot(torch.arange(145) % 3).float()
started = time.perf_counter()
if {way!r} == "train.py":
    with contextlib.redirect_stderr(io.StringIO()):
        train.train(x, y, {epochs}, 0.1, 0)
else:
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range({epochs}):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(net(x), y).backward()
        optimizer.step()
print(time.perf_counter() - started)
"""


def seconds(way: str, epochs: int) -> float:
    program = PROGRAM.format(scripts=str(SCRIPTS), way=way, epochs=epochs)
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    times: dict[str, list[float]] = {"train.py": [], "torch.optim.SGD": []}
    for _ in range(args.rounds):
        for way, found in times.items():
            found.append(seconds(way, args.epochs))
    for way, found in times.items():
        middle = statistics.median(found)
        print(f"{way:16} {middle:.2f} s for {args.epochs} epochs, {middle / args.epochs * 1e6:.0f} µs each")
    ratio = statistics.median(times["train.py"]) / statistics.median(times["torch.optim.SGD"])
    print(f"train.py / torch.optim.SGD = {ratio:.2f}")


if __name__ == "__main__":
    main()
