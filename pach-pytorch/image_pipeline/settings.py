"""The lesson's configuration file: its keys, their meaning here, and one clear line for each that makes no sense."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IGNORED = ("handler", "hvd")


class SettingsError(Exception):
    """The configuration cannot be used; the text says which key and what to do."""


@dataclass
class Settings:
    """The keys of `data`. shuffle: shuffle_buffer is above 0; then all is shuffled, however large the list."""

    batch_size: int = 128
    train_filelist: Path = Path("train.txt")
    test_filelist: Path | None = None
    shuffle: bool = True
    reshuffle: bool = True
    readers: int = 2
    prefetch: int = 2
    side: int = 224
    num_classes: int | None = None
    seed: int = 0


def read_settings(path: Path) -> Settings:
    """Read a configuration; lists are looked for from here, then beside the file. Raises SettingsError."""
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise SettingsError(f'{path} has no "data" section')
    taken: set[str] = set(IGNORED)

    def number(name: str, default: int, least: int) -> int:
        taken.add(name)
        value = data.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SettingsError(f'{path}: "{name}" is {value!r}; it must be a whole number of at least {least}')
        return value

    def filelist(name: str) -> Path | None:
        taken.add(name)
        value = data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise SettingsError(f'{path}: "{name}" is {value!r}; it must be the path of a list of files')
        return next((found for found in (Path(value), path.parent / value) if found.is_file()), Path(value))

    size = data.get("crop_image_size", [224, 224])
    if not (isinstance(size, list) and len(size) == 2 and size[0] == size[1] and type(size[0]) is int and size[0] > 0):
        raise SettingsError(f'{path}: "crop_image_size" is {size!r}; it must be two equal whole numbers, as [224, 224]')
    if number("num_channels", 3, 1) != 3:
        raise SettingsError(f'{path}: "num_channels" must be 3: every picture is made RGB')
    # The lesson's files spell it "prefectch_buffer_size"; both are understood, the right one wins.
    misspelt = number("prefectch_buffer_size", 2, 0)
    reshuffle: Any = data.get("reshuffle_each_iteration", True)
    if not isinstance(reshuffle, bool):
        raise SettingsError(f'{path}: "reshuffle_each_iteration" is {reshuffle!r}; it must be true or false')
    settings = Settings(
        batch_size=number("batch_size", 128, 1),
        train_filelist=filelist("train_filelist") or Path("train.txt"),
        test_filelist=filelist("test_filelist"),
        shuffle=number("shuffle_buffer", 1, 0) > 0,
        reshuffle=reshuffle,
        readers=number("num_parallel_readers", 2, 1),
        prefetch=number("prefetch_buffer_size", misspelt, 0),
        side=size[0],
        num_classes=number("num_classes", 1, 1) if "num_classes" in data else None,
        seed=number("seed", 0, 0),
    )
    unknown = set(data) - taken - {"crop_image_size", "reshuffle_each_iteration"}
    if unknown:
        raise SettingsError(f'{path}: unknown in "data": {", ".join(sorted(unknown))}')
    return settings
