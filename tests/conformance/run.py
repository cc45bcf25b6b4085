"""Run the conformance suite against an embedded pachd and print the score by module.

python tests/conformance/run.py                        everything, on a daemon of its own
python tests/conformance/run.py repos pps/a_list -v    modules, scenarios, folders; -v shows differences
python tests/conformance/run.py --address HOST:PORT …  against a server that runs already
"""

from __future__ import annotations

import argparse
import multiprocessing
import shlex
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

import compare  # noqa: E402
import recorder  # noqa: E402
import transcript  # noqa: E402

PACHCTL = f"env PYTHONPATH={shlex.quote(str(HERE.parent.parent))} {shlex.quote(sys.executable)} -m workshop pachctl"


SLOW = (  # wait for a clock, or run user code for a while: part of `make conformance` only
    "pfs/triggers.cron",
    "pfs/triggers.rate_limit_short",
    "pfs/commit_lists.subscribe_new",
    "pfs/files_put.big_file",
    "pps/b_",
    "cli/",
)

ALONE = ("cli/cli.defaults",)  # changes for a while what every pipeline of the cluster starts from


def is_quick(name: str) -> bool:
    return not name.startswith(SLOW)


def run_one(name: str, host: str, port: int) -> tuple[str, dict, float]:
    """Run one scenario or transcript (in a process of the pool): its name, its result and the seconds it took."""
    begun = time.monotonic()
    if name.startswith("cli/"):
        result = transcript.record(name, PACHCTL, host, port)
    else:
        recorder.load()
        result = recorder.record(name, host, port)
    return name, result, time.monotonic() - begun


def run(names: list[str], host: str, port: int, processes: int) -> Iterator[tuple[compare.Outcome, dict, float]]:
    """Run scenarios side by side; outcomes as they come."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for group in ([name for name in names if name not in ALONE], [name for name in names if name in ALONE]):
            jobs = [pool.submit(run_one, name, host, port) for name in group]
            for job in as_completed(jobs):
                name, result, seconds = job.result()
                yield compare.compare(name, result), result, seconds


def table(outcomes: Iterable[compare.Outcome]) -> str:
    """The score by module: scenarios and steps that agree, and differences kept on purpose."""
    modules: dict[str, list[compare.Outcome]] = defaultdict(list)
    for outcome in outcomes:
        folder, name = outcome.name.split("/")
        modules["cli" if folder == "cli" else f"{folder}/{name.split('.')[0]}"].append(outcome)
    rows = [("MODULE", "SCENARIOS", "STEPS", "CHOSEN")]
    for module in sorted(modules):
        rows.append((module, *_counts(modules[module])))
    rows.append(("all", *_counts([outcome for group in modules.values() for outcome in group])))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _counts(group: list[compare.Outcome]) -> tuple[str, str, str]:
    chosen = sum(len(outcome.chosen) for outcome in group)
    return (
        f"{sum(outcome.whole for outcome in group)}/{len(group)}",
        f"{sum(outcome.equal for outcome in group)}/{sum(outcome.steps for outcome in group)}",
        str(chosen or "-"),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="folders, modules or scenarios; none = all")
    parser.add_argument("--address", help="HOST:PORT of a server that runs already")
    parser.add_argument("--out", type=Path, help="keep the results in this folder")
    parser.add_argument("-j", "--processes", type=int, default=4, help="scenarios side by side (default 4)")
    parser.add_argument("--quick", action="store_true", help="leave out what waits for a clock or runs user code")
    parser.add_argument("-v", "--verbose", action="store_true", help="show each difference")
    options = parser.parse_args()
    names = recorder.load(options.names) + transcript.load(options.names)
    if options.quick:
        names = [name for name in names if is_quick(name)]
    if not names:
        print(f"no scenario is named {' '.join(options.names)}", file=sys.stderr)
        return 2
    if options.address:
        host, port = options.address.rsplit(":", 1)
        return report(names, host, int(port), options)
    from workshop.testing import Pachd

    with tempfile.TemporaryDirectory() as folder, Pachd(Path(folder) / "state") as daemon:
        return report(names, daemon.host, daemon.port, options)


def report(names: list[str], host: str, port: int, options: argparse.Namespace) -> int:
    outcomes = []
    for number, (outcome, result, seconds) in enumerate(run(names, host, port, options.processes), 1):
        outcomes.append(outcome)
        if options.out:
            recorder.write(result, options.out / f"{outcome.name}.json")
        mark = "ok" if outcome.whole else "DIFFERS"
        print(
            f"[{number}/{len(names)}] {outcome.name}: {outcome.equal}/{outcome.steps} {mark} ({seconds:.1f} s)",
            flush=True,
        )
        if options.verbose:
            print("\n".join(outcome.explain()), end="\n" if not outcome.whole else "")
    print("\n" + table(outcomes))
    if not (options.names or options.address or options.quick):
        (HERE / "score.txt").write_text(table(outcomes) + "\n")
    return 0 if all(outcome.whole for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
