"""Whom user code runs as: transform.user against the accounts of this machine, or of an engine's image."""

from __future__ import annotations

import grp
import logging
import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workshop.pachd.runner import Isolation

log = logging.getLogger(__name__)

GUESS = "guess uid from transform user by reading /etc/passwd"


def lookup(user: str) -> tuple[tuple[int, int], str]:
    """((uid, gid), fault) of NAME, UID, NAME:GROUP or UID:GID, as Docker reads it; the user must be known here."""
    name, _, group = user.partition(":")
    for entry in pwd.getpwall():
        if name == entry.pw_name:
            if not group:
                return (entry.pw_uid, entry.pw_gid), ""
            found = [each.gr_gid for each in grp.getgrall() if each.gr_name == group]
            fault = f"guess gid from transform user: group {group} not found"
            fault = "" if found else f"lookup group for group {group} (for user id {name}): {fault}"
            return (entry.pw_uid, found[0] if found else entry.pw_gid), fault
        if name == str(entry.pw_uid):
            return (entry.pw_uid, int(group) if group.isdigit() else entry.pw_gid), ""
    return (os.geteuid(), os.getegid()), f"{GUESS}: user {user} not found"


def of(user: str, isolation: Isolation) -> tuple[int, int] | str | None:
    """Whom user code is to become: ids, or what the engine is to be told. None: whoever runs it anyway."""
    if isolation.engine is not None and os.geteuid() == 0:
        return user or None
    if isolation.engine is not None:  # else its files would be another's, and could not be removed
        return f"{os.geteuid()}:{os.getegid()}" if isolation.engine.name == "docker" else None
    wanted = lookup(user)[0] if user else (os.geteuid(), os.getegid())
    if wanted == (os.geteuid(), os.getegid()):
        return None
    if os.geteuid() != 0:
        log.info("user code runs as %s, not as %s: only root can become somebody else", os.geteuid(), user)
        return None
    return wanted
