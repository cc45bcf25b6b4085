"""Rows of Iris measurements: reading them, scaling them, and writing results whole or not at all.

    5.1,3.5,1.4,0.2,Iris-setosa        a row of training data: four lengths in centimetres and the species
    5.1,3.5,1.4,0.2                    a row of attributes, whose species is to be found

The scripts say `from rows import ...`, which works because Python looks in a script's own folder first.
"""

import csv
import math
import os
import sys
from pathlib import Path

import numpy as np

FEATURES = ["sepal length", "sepal width", "petal length", "petal width"]


class BadInput(Exception):
    """Something in the input that the user can mend; its text names the file, the row and the cause."""


def read_rows(path, columns):
    """The rows of a CSV file without header, as lists of `columns` words; empty lines are passed over.

    Yields (line number, words): the number is what an editor shows, so that a message can point at the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is not UTF-8 text"
        raise BadInput(f"{path}: cannot be read: {reason}") from None
    found = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        words = [word.strip() for word in next(csv.reader([line]))]
        if len(words) != columns:
            raise BadInput(f"{path}, line {number}: {len(words)} columns, but {columns} are expected: {line.strip()!r}")
        found += 1
        yield number, words
    if not found:
        raise BadInput(f"{path}: the file is empty")


def numbers(path, line, words):
    """Words as finite floats, or BadInput that names the first word that is not one."""
    values = []
    for column, word in enumerate(words, start=1):
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise BadInput(f"{path}, line {line}: column {column} is not a number: {word!r}")
        values.append(value)
    return values


def read_features(path):
    """The attributes of a file as an array of shape (rows, 4), in centimetres."""
    return np.array([numbers(path, line, words) for line, words in read_rows(path, len(FEATURES))])


def min_max(features):
    """The smallest and the largest value of each column: what `scale` needs to know. Shapes (4,), (4,)."""
    return features.min(axis=0), features.max(axis=0)


def scale(features, minimum, maximum):
    """Bring each column from [minimum, maximum] to [0, 1]; new rows may lie a little outside.

    The same arithmetic as scikit-learn's MinMaxScaler, to the last bit: x * s - minimum * s, not (x - minimum) * s.
    A column whose values are all alike carries nothing: its factor is 1, as it is there.
    """
    width = np.asarray(maximum, dtype=float) - np.asarray(minimum, dtype=float)
    factor = 1.0 / np.where(width == 0.0, 1.0, width)
    return features * factor + (0.0 - np.asarray(minimum) * factor)


def write_files(folder, contents):
    """Write all of {name: bytes} into the folder, or nothing: files appear only once every byte is on disk."""
    folder = Path(folder)
    waiting = {}
    try:
        for name, content in contents.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            waiting[target] = target.with_name(f".{target.name}.part")
            waiting[target].write_bytes(content)
        for target, part in waiting.items():
            os.replace(part, target)
    except OSError as error:
        raise BadInput(f"{error.filename}: cannot be written: {error.strerror}") from None
    finally:
        for part in waiting.values():
            part.unlink(missing_ok=True)


def run(main):
    """Call a script's main(); input that cannot be used ends in one line on stderr and exit status 1."""
    try:
        main()
    except BadInput as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(1)
