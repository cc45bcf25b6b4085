"""Daemons for tests: one that is shared, and a fresh one for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop.testing import Pachd


@pytest.fixture(scope="session")
def shared_pachd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pachd]:
    """One daemon for all tests that keep to a project of their own."""
    with Pachd(tmp_path_factory.mktemp("shared") / "state") as daemon:
        yield daemon


@pytest.fixture
def pachd(tmp_path: Path) -> Iterator[Pachd]:
    """A fresh daemon for one test."""
    with Pachd(tmp_path / "state") as daemon:
        yield daemon
