"""On whose behalf the current thread works: a spout's own code may write to the spout's output, a user may not."""

from __future__ import annotations

import threading

from workshop.pachd.model import RepoName

_local = threading.local()


def act_for(repo: RepoName | None) -> None:
    """From now on this thread works for the worker that owns an output repo (None: for a user)."""
    _local.repo = repo


def owns(repo: RepoName) -> bool:
    """Whether this thread works for the worker that owns the repo."""
    return getattr(_local, "repo", None) == repo
