"""Triggers: branches that follow another branch of their repo when enough has changed."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from workshop.pachd import cron, errors
from workshop.pachd.model import BranchName
from workshop.pachd.pfs import rows
from workshop.pachd.pfs.rows import Branch, Commit

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction

_MOST = 2.0**63 - 1024
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


def size_in_bytes(text: str) -> int:
    """Bytes of a human size in decimal units (1K = 1000), with the words of the Go package go-units."""
    at = max(text.rfind(mark) for mark in "0123456789. ")
    if at < 0:
        raise errors.PachydermError(f"invalid size: '{text}'")
    number, suffix = (text[:at] if text[at] == " " else text[: at + 1]), text[at + 1 :].lower()
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", number):
        raise errors.PachydermError(f'strconv.ParseFloat: parsing "{number}": invalid syntax')
    size = float(number)
    if size < 0:
        raise errors.PachydermError(f"invalid size: '{text}'")
    if suffix in ("", "b"):
        return int(min(size, _MOST))
    if suffix[0] not in _UNITS or suffix[1:] not in ("", "b", "ib"):
        raise errors.PachydermError(f"invalid suffix: '{suffix}'")
    return int(min(size * _UNITS[suffix[0]], _MOST))


def check(db: sqlite3.Connection, branch: BranchName, trigger: dict[str, Any]) -> None:
    """Refuse a trigger that could not work."""
    watched = trigger.get("branch", "")
    if not watched:
        raise errors.PachydermError("triggers must specify a branch to trigger on")
    rows.check_name(watched)
    if trigger.get("rate_limit_spec"):
        _cron(trigger["rate_limit_spec"], "rate limit spec")
    if trigger.get("size"):
        try:
            size_in_bytes(trigger["size"])
        except errors.PachydermError as error:
            raise error.wrapped("invalid trigger size: ") from None
    if trigger.get("commits", 0) < 0:
        raise errors.PachydermError("can't trigger on a negative number of commits")
    if trigger.get("cron_spec"):
        _cron(trigger["cron_spec"], "cron spec")
    followed = {b.name.name: b.trigger["branch"] for b in _triggered(db, rows.repo(db, branch.repo).row) if b.trigger}
    at: str | None = watched
    while at is not None:
        if at == branch.name:
            raise errors.PachydermError("triggers cannot form a loop")
        at = followed.pop(at, None)


def _cron(text: str, what: str) -> cron.Schedule:
    try:
        return cron.parse(text)
    except ValueError as error:
        raise errors.PachydermError(f"invalid trigger {what}: {error}") from None


def _triggered(db: sqlite3.Connection, repo: int) -> list[Branch]:
    return list(rows.branches(db, "WHERE branch.repo = ? AND branch.trigger IS NOT NULL ORDER BY branch.id", (repo,)))


def watching(db: sqlite3.Connection, branch: Branch) -> list[Branch]:
    """The branches whose trigger watches this one."""
    return [other for other in _triggered(db, branch.repo) if other.trigger["branch"] == branch.name.name]  # type: ignore[index]


def fire(tx: Transaction, commit: Commit) -> list[int]:
    """Move the branches whose triggers fire now that a commit of the watched branch is finished; their rows."""
    if commit.error:
        return []
    heads = {commit.branch: commit}
    waiting = {b.name.name: b for b in _triggered(tx.db, commit.repo) if b.trigger and not b.trigger.get("cron_spec")}
    waiting.pop(commit.branch, None)
    moved = []
    progress = True
    while progress:  # chains fire in the same step, upstream first
        progress = False
        for name, branch in list(waiting.items()):
            assert branch.trigger is not None
            new = heads.get(branch.trigger["branch"])
            if new is None:
                continue
            del waiting[name]
            old = rows.commit_by_row(tx.db, branch.head)
            if old.row != new.row and fires(tx.db, branch.trigger, old, new):
                _move(tx, branch, new)
                moved.append(branch.row)
                heads[name] = new
                progress = True
    return moved


def _move(tx: Transaction, branch: Branch, head: Commit) -> None:
    tx.db.execute("UPDATE branch SET head = ?, updated = ? WHERE id = ?", (head.row, tx.now, branch.row))


def fires(db: sqlite3.Connection, trigger: dict[str, Any], old: Commit, new: Commit) -> bool:
    """Whether the step from the old to the new head is enough: any of the conditions, or all of them."""
    met = []
    if trigger.get("size"):
        met.append(new.size - old.size >= size_in_bytes(trigger["size"]))
    if trigger.get("rate_limit_spec"):
        tick = cron.parse(trigger["rate_limit_spec"]).next(_time(old.finishing or 0))
        met.append(tick < _time(new.finishing or 0))
    if trigger.get("commits"):
        met.append(_steps(db, old, new, trigger["commits"]) == trigger["commits"])
    return all(met) if trigger.get("all") else any(met)


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)


def _steps(db: sqlite3.Connection, old: Commit, new: Commit, most: int) -> int:
    """Commits from the old to the new head by parents, up to `most`; the first of all counts if a user made it."""
    count, at = 0, new
    while count < most:
        if at.parent is None:
            return count + (at.origin != rows.AUTO)
        if at.id == old.id:
            break
        at = rows.commit_by_row(db, at.parent)
        count += 1
    return count
