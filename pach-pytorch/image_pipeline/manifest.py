#!/usr/bin/env python3
"""Make one manifest of all packed classes: labels, samples, where each lies, and the commits they came from.

Reads only the classes' small index files, never a shard; so it is cheap however large the set is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from index import from_table, rows_of
from shards import merge


def commits_of_inputs() -> dict[str, str]:
    """Input → commit, from the variables that Pachyderm sets for a job (`<input>_COMMIT`)."""
    return {
        name.removesuffix("_COMMIT"): value
        for name, value in sorted(os.environ.items())
        if name.endswith("_COMMIT") and not name.startswith(("PACH_", "PPS_"))
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make one manifest of all packed classes.")
    parser.add_argument("--index", type=Path, default=Path("/pfs/index-and-pack/index"))
    parser.add_argument("--out", type=Path, default=Path("/pfs/out"))
    options = parser.parse_args(arguments)
    files = sorted(options.index.glob("*.parquet"))
    try:
        table = merge([pq.read_table(file) for file in files], commits_of_inputs())
    except ValueError as error:
        print(f"{options.index}: {error}", file=sys.stderr)
        return 1
    index = from_table(table, options.index)
    options.out.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, options.out / "manifest.parquet", compression="zstd")
    (options.out / "classes.json").write_text(json.dumps(index.classes, indent=1) + "\n")
    quarantined = rows_of(table)
    notes = Counter(note for text in table.column("note").to_pylist() for note in text.split(", ") if text)
    lines = index.report() + [f"  quarantined {path}: {reason}" for path, reason in quarantined]
    reasons = {reason for _, reason in quarantined}
    lines += [f"  {count} x {note}" for note, count in sorted(notes.items()) if note not in reasons]
    (options.out / "report.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
