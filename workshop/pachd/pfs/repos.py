"""Projects and repos."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.model import DEFAULT_PROJECT, META, SPEC, USER, BranchName, RepoName
from workshop.pachd.pfs import branches, commits, rows
from workshop.pachd.pfs.rows import Branch, Project, Repo

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction

RESERVED = "__filesets__"  # commits of this repo name file sets
TYPES = (USER, META, SPEC)
LONGEST_PROJECT = 51

# ------------------------------------------------------------------ projects


def check_project_name(name: str) -> None:
    length = len(name.encode())
    try:
        if length > LONGEST_PROJECT:
            raise errors.PachydermError(
                f'project name "{name}" is {length - LONGEST_PROJECT} characters longer than the {LONGEST_PROJECT} max'
            )
        rows.check_name(name)
        if not re.match("[a-zA-Z0-9]", name):
            raise errors.PachydermError("project names must start with an alphanumeric character")
    except errors.PachydermError as error:
        raise error.wrapped("invalid project name: ") from None


def create_project(tx: Transaction, name: str, description: str = "", update: bool = False) -> None:
    """Make a project, or with `update` change the description of one that is there."""
    check_project_name(name)
    found = rows.find_project(tx.db, name)
    if update:
        if found is None:
            raise errors.NotFound(f'get project {name}: get project by name: project "{name}" not found')
        tx.db.execute("UPDATE project SET description = ? WHERE id = ?", (description, found.row))
        return
    if found is not None:
        raise errors.AlreadyExists(f"project {name} already exists")
    tx.db.execute("INSERT INTO project (name, description, created) VALUES (?, ?, ?)", (name, description, tx.now))


def inspect_project(db: sqlite3.Connection, name: str) -> Project:
    found = rows.find_project(db, name)
    if found is None:
        missing = f'project "{name}" not found' if name else "project not found"
        raise errors.NotFound(f'error getting project "{name}": get project by name: {missing}')
    return found


def list_projects(db: sqlite3.Connection) -> list[Project]:
    """All projects, oldest first."""
    return [rows.project_of(row) for row in db.execute("SELECT * FROM project ORDER BY id")]


def delete_project(tx: Transaction, name: str, force: bool = False) -> None:
    """Take a project away, which must be empty; force takes its repos along, unless they are a pipeline's."""
    check_project_name(name)
    left = list_(tx.db, projects=[name])
    if left and not force:
        repos = "\n".join(f"repo {repo.name} still exists" for repo in left)
        raise errors.FailedPrecondition(f"cannot delete project {name}: {repos}")
    found = rows.find_project(tx.db, name)
    if found is None:
        raise errors.NotFound(f'delete project "{name}": project "{name}" not found')
    delete_many(tx, left, force=True)
    tx.db.execute("DELETE FROM project WHERE id = ?", (found.row,))


# ------------------------------------------------------------------ repos


def create(tx: Transaction, name: RepoName, description: str = "", update: bool = False) -> None:
    """Make a repo; with `update` one that is there gets the description instead of being refused."""
    if name.name == RESERVED:
        raise errors.PachydermError(f"{RESERVED} is a reserved name")
    rows.check_name(name.name)
    if name.type not in TYPES:
        raise errors.PachydermError(f"repo {name}: there is no repo type {name.type!r}: use user, meta or spec")
    if rows.find_project(tx.db, name.project) is None:
        raise errors.NotFound(
            f'cannot find project "{name.project}": get project by name: project "{name.project}" not found'
        )
    found = rows.find_repo(tx.db, name)
    if found is not None:
        if not update:
            raise errors.AlreadyExists(f"repo {name} already exists")
        tx.db.execute("UPDATE repo SET description = ? WHERE id = ?", (description, found.row))
        return
    if name.type != USER:
        user = RepoName(name.project, name.name)
        if rows.find_repo(tx.db, user) is None:
            raise errors.NotFound(
                f"cannot create a system repo without a corresponding 'user' repo: repo {user} not found"
            )
    tx.db.execute(
        "INSERT INTO repo (project, name, type, description, created) VALUES (?, ?, ?, ?, ?)",
        (name.project, name.name, name.type, description, tx.now),
    )


def inspect(db: sqlite3.Connection, name: RepoName) -> Repo:
    return rows.repo(db, name)


def list_(
    db: sqlite3.Connection, type: str = "", projects: Sequence[str] = (), limit: int = -1, offset: int = 0
) -> list[Repo]:
    """Repos by project and name, of all types unless one is given, of all projects unless some are (-1: no limit)."""
    if type and type not in TYPES:
        raise errors.PachydermError(
            "WithReadContext: listRepoInTransaction: for each repo: for each repo: getting page: "
            f'ERROR: invalid input value for enum pfs.repo_type: "{type}" (SQLSTATE 22P02)'
        )
    where, values = [], []
    if type:
        where.append("type = ?")
        values.append(type)
    if projects:
        where.append("project IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(projects)))
    query = f"SELECT * FROM repo {'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY project, name, id"
    return [rows.repo_of(row) for row in db.execute(f"{query} LIMIT ? OFFSET ?", (*values, limit, offset))]


def size(db: sqlite3.Connection, repo: Repo) -> int:
    """A repo's size is that of master's head; 0 while that is open or has an error."""
    row = db.execute(
        "SELECT size FROM branch JOIN commits ON commits.id = head WHERE branch.repo = ? AND name = 'master'",
        (repo.row,),
    ).fetchone()
    return row["size"] if row else 0


def branch_names(db: sqlite3.Connection, repo: Repo) -> list[BranchName]:
    query = "SELECT name FROM branch WHERE repo = ? ORDER BY name"
    return [BranchName(repo.name, row["name"]) for row in db.execute(query, (repo.row,))]


def delete(tx: Transaction, name: RepoName, force: bool = False) -> bool:
    """Take a repo away, with its meta and spec siblings; False when there is none. Force cuts what depends on it."""
    found = rows.find_repo(tx.db, name)
    if found is None:
        return False
    query = "SELECT * FROM repo WHERE project = ? AND name = ? ORDER BY id"
    related = [rows.repo_of(row) for row in tx.db.execute(query, (name.project, name.name))]
    try:
        _check_are_no_pipelines(tx.db, related)
    except errors.PachydermError as error:
        raise error.within(f'error checking whether repo "{name}" can be deleted: ') from None
    delete_many(tx, related if name.type == USER else [found], force, "delete repo: ")
    return True


def delete_many(tx: Transaction, repos: Sequence[Repo], force: bool, prefix: str = "") -> None:
    """Take repos away together; how they depend on each other does not matter."""
    _check_are_no_pipelines(tx.db, repos)
    for branch in _downstream_first(tx.db, repos):
        try:
            branches.remove(tx, branch, force)
        except errors.PachydermError as error:
            wrapped = error.wrapped(f"delete branch {branch.name}: ")
            raise type(error)(prefix + wrapped.text, wrapped.full) from None
    rows_of = json.dumps([repo.row for repo in repos])
    query = """SELECT child.id FROM commits AS child JOIN commits ON commits.id = child.parent
        WHERE commits.repo IN (SELECT value FROM json_each(?)) AND child.repo NOT IN (SELECT value FROM json_each(?))"""
    elsewhere = [row["id"] for row in tx.db.execute(query, (rows_of, rows_of))]  # built on what goes away
    for repo in repos:
        tx.removed += rows.commits(tx.db, "WHERE commits.repo = ?", (repo.row,))
        tx.db.execute("DELETE FROM repo WHERE id = ?", (repo.row,))
    for row in elsewhere:
        commits.rebase_below(tx, row)
    gone = {commit.row for commit in tx.removed}
    tx.created[:] = [row for row in tx.created if row not in gone]
    tx.finished[:] = [row for row in tx.finished if row not in gone]


def _downstream_first(db: sqlite3.Connection, repos: Iterable[Repo]) -> list[Branch]:
    found = [branch for repo in repos for branch in branches.list_(db, repo, reverse=True)]
    return sorted(found, key=lambda branch: -sum(1 for _ in branches.walk(db, branch.row, "provenance")))


def _check_are_no_pipelines(db: sqlite3.Connection, repos: Iterable[Repo]) -> None:
    for name in (repo.name for repo in repos):
        query = "SELECT 1 FROM pipeline WHERE project = ? AND name = ? LIMIT 1"
        if db.execute(query, (name.project, name.name)).fetchone() is not None:
            raise errors.PachydermError("cannot delete a repo associated with a pipeline - delete the pipeline instead")


def delete_all(tx: Transaction) -> None:
    """Take all repos and projects away, and begin again with an empty default project."""
    delete_many(tx, list_(tx.db), force=True)
    tx.db.execute("DELETE FROM project")
    create_project(tx, DEFAULT_PROJECT)


def summary(db: sqlite3.Connection, projects: Sequence[str]) -> list[tuple[str, int, int]]:
    """Of each of the projects that has user repos: its name, how many, and their size in bytes."""
    found = [(name, list_(db, USER, [name])) for name in projects]
    return [(name, len(held), sum(size(db, repo) for repo in held)) for name, held in found if held]


def project_defaults(db: sqlite3.Connection, name: str) -> str:
    """The JSON document of a project's pipeline defaults."""
    row = db.execute("SELECT document FROM defaults WHERE project = ?", (name,)).fetchone()
    return row["document"] if row else "{}"
