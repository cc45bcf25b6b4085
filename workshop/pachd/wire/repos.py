"""pfs_v2.API: projects and repos."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachd import errors
from workshop.pachd.pfs import Pfs, Transaction, repos
from workshop.pachd.wire import infos
from workshop.pachd.wire.names import bounded, repo_message, repo_name, required, required_project, required_repo
from workshop.pachd.wire.schema import google, pfs_v2
from workshop.pachd.wire.serve import Call, raw_answer, transactional


class Repos:
    """Projects and repos."""

    service = "pfs_v2.API"
    pfs: Pfs

    # ------------------------------------------------------------------ projects

    def CreateProject(self, request: Any, call: Call) -> Any:
        name = required_project(request)
        with self.pfs.transaction() as tx:
            repos.create_project(tx, name, request.description, request.update)
        return google.Empty()

    def InspectProject(self, request: Any, call: Call) -> Any:
        name = required(request, "project").name
        with self.pfs.store.database.read() as db:
            return infos.project_info(repos.inspect_project(db, name))

    def InspectProjectV2(self, request: Any, call: Call) -> Any:
        name = required(request, "project").name
        with self.pfs.store.database.read() as db:
            try:
                project = repos.inspect_project(db, name)
            except errors.PachydermError as error:
                raise error.wrapped(f'could not inspect project "{name}": ') from None
            return pfs_v2.InspectProjectV2Response(
                info=infos.project_info(project), defaults_json=repos.project_defaults(db, name)
            )

    def ListProject(self, request: Any, call: Call) -> Iterator[Any]:
        with self.pfs.store.database.read() as db:
            found = repos.list_projects(db)
        return map(infos.project_info, found)

    def DeleteProject(self, request: Any, call: Call) -> Any:
        name = required_project(request)
        with self.pfs.transaction() as tx:
            repos.delete_project(tx, name, request.force)
        return google.Empty()

    # ------------------------------------------------------------------ repos

    @transactional("create_repo")
    def CreateRepo(self, request: Any, tx: Transaction) -> Any:
        repos.create(tx, required_repo(request), request.description, request.update)
        return google.Empty()

    @raw_answer
    def InspectRepo(self, request: Any, call: Call) -> bytes:
        name = required_repo(request)
        with self.pfs.store.database.read() as db:
            return infos.repo_info(db, repos.inspect(db, name), listed=False)

    @raw_answer
    def ListRepo(self, request: Any, call: Call) -> list[bytes]:
        projects = [project.name for project in request.projects]
        page = request.page
        limit = page.page_size if request.HasField("page") else -1
        with self.pfs.store.database.read() as db:
            offset = bounded(page.page_size * page.page_index)
            found = repos.list_(db, request.type, projects, limit=limit, offset=offset)
            return [infos.repo_info(db, repo, listed=True) for repo in found]

    @transactional(
        "delete_repo",
        check=lambda request: _named(request),
        gathered=lambda answer: pfs_v2.DeleteRepoResponse(deleted=True),  # whether there is one shows at the finish
    )
    def DeleteRepo(self, request: Any, tx: Transaction) -> Any:
        if not request.HasField("repo"):
            raise errors.PachydermError("must specify repo")
        return pfs_v2.DeleteRepoResponse(deleted=repos.delete(tx, repo_name(request.repo), request.force))

    def DeleteRepos(self, request: Any, call: Call) -> Any:
        projects = [project.name for project in request.projects]
        if not request.all and not projects:
            return pfs_v2.DeleteReposResponse()
        with self.pfs.transaction() as tx:
            found = repos.list_(tx.db, projects=() if request.all else projects)
            repos.delete_many(tx, found, request.force, "delete repos: ")
        return pfs_v2.DeleteReposResponse(repos=[repo_message(repo.name) for repo in found])

    def ReposSummary(self, request: Any, call: Call) -> Any:
        if any(picker.WhichOneof("picker") is None for picker in request.projects):
            raise errors.PachydermError("project picker is of an unknown type: <nil>")
        names = [picker.name for picker in request.projects]
        with self.pfs.store.database.read() as db:
            return pfs_v2.ReposSummaryResponse(
                summaries=[
                    pfs_v2.ReposSummary(project=pfs_v2.Project(name=name), user_repo_count=count, size_bytes=size)
                    for name, count, size in repos.summary(db, names)
                ]
            )

    def DeleteAll(self, request: Any, call: Call) -> Any:
        with self.pfs.transaction() as tx:
            repos.delete_all(tx)
        return google.Empty()

    def ActivateAuth(self, request: Any, call: Call) -> Any:
        raise errors.Unimplemented("the auth service is not activated")


def _named(request: Any) -> None:
    if not request.HasField("repo"):
        raise errors.InvalidArgument("no repo specified")
