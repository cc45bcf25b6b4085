"""pps_v2.API, the part on pipelines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from workshop.pachd.errors import Internal, InvalidArgument, PachydermError, Unimplemented
from workshop.pachd.model import PipelineName
from workshop.pachd.pfs import Pfs
from workshop.pachd.pps import control, creation, crons, defaults, jobs, pipelines, secrets, status
from workshop.pachd.pps.jq import Filter, render
from workshop.pachd.pps.live import Live
from workshop.pachd.pps.records import Pipeline
from workshop.pachd.spec import Spec, translate
from workshop.pachd.spec.fields import JsonFault, dump, load, parse
from workshop.pachd.wire.pps_messages import (
    NAME_MISSING,
    document,
    pipeline_info,
    pipeline_json,
    pipeline_message,
    pipeline_name,
    project_names,
    required_pipeline,
)
from workshop.pachd.wire.schema import google, pfs_v2, pps_v2
from workshop.pachd.wire.serve import Call, raw_answer, transactional


def _text(request: Any) -> str:
    if request.HasField("pipeline") and not request.pipeline.name:
        raise InvalidArgument(
            "validate request: invalid CreatePipelineRequest.Pipeline: embedded message failed validation"
            f" | caused by: {NAME_MISSING}"
        )
    return dump(document(request))


MOST_ROWS = 2**40  # no page begins behind it


class Pipelines:
    """A part of the service: pipelines."""

    _pfs: Pfs
    _live: Live

    # ------------------------------------------------------------ created
    def _prepare(self, request: Any) -> tuple[Any, Any]:
        stored, _ = self._effective(_text(request), request)
        return stored, google.Empty()

    def _prepare_v2(self, request: Any) -> tuple[Any, Any]:
        stored, answer = self._effective(request.create_pipeline_request_json, request)
        return stored, pps_v2.CreatePipelineV2Response(effective_create_pipeline_request_json=answer)

    def _effective(self, text: str, flags: Any) -> tuple[Any, str]:
        """What a transaction keeps of a creation (None on a dry run), and the effective specification as answered."""
        with self._pfs.store.database.read() as db:
            made = defaults.effective(db, text, flags.update, flags.reprocess)
            if flags.dry_run:
                return None, made.answer
            secrets.check(db, made.request.get("transform", {}).get("secrets", []))
        if "determined" in made.request:  # asks who the user is
            raise Unimplemented(
                "create det pipeline side effects: who am i: rpc error: code = Unimplemented desc = the auth service is"
                " not activated"
            )
        stored = pps_v2.CreatePipelineTransaction(user_json=made.user, effective_json=made.effective)
        json_format.ParseDict(made.request, stored.create_pipeline_request)
        return stored, made.answer

    @transactional("create_pipeline_v2", _prepare)
    def CreatePipeline(self, request: Any, tx: Any) -> Any:
        if not request.HasField("create_pipeline_request"):
            raise Internal("empty CreatePipelineRequest in CreatePipelineTransaction")
        document = parse(dump(json_format.MessageToDict(request.create_pipeline_request)))
        warnings = translate(request.user_json)[1]
        creation.create(tx, Spec(document, request.effective_json, request.user_json, warnings))
        return google.Empty()

    @transactional("create_pipeline_v2", _prepare_v2)
    def CreatePipelineV2(self, request: Any, tx: Any) -> Any:
        return self.CreatePipeline(request, tx)

    def RerunPipeline(self, request: Any, call: Call) -> Any:
        name = required_pipeline(request)
        with self._pfs.transaction() as tx:
            creation.rerun(tx, name, request.reprocess)
        return google.Empty()

    def RenderTemplate(self, request: Any, call: Call) -> Any:
        text = render(request.template, dict(request.args))
        document = load(text)
        if not isinstance(document, (list, dict)):
            raise PachydermError(f"not a json object or list: {text}")
        answer = pps_v2.RenderTemplateResponse(json=text)
        for each in document if isinstance(document, list) else [document]:
            try:
                json_format.ParseDict(parse(dump(each)), answer.specs.add())
            except JsonFault as fault:
                raise PachydermError(str(fault)) from None
        return answer

    # ------------------------------------------------------------ read
    @raw_answer
    def InspectPipeline(self, request: Any, call: Call) -> bytes:
        name = required_pipeline(request)
        with self._pfs.store.database.read() as db:
            found = pipelines.inspect(db, name)
            last = jobs.latest_state(db, found.name)
        return pipeline_info(found, last, self._live, request.details)

    @raw_answer
    def ListPipeline(self, request: Any, call: Call) -> Iterator[bytes]:
        name = None
        if request.HasField("pipeline"):
            name = pipeline_name(request.pipeline, "ListPipelineRequest.Pipeline", "validate recv")
        prefix = "could not list pipeline info: "

        def rows() -> Iterator[tuple[Pipeline, Pipeline, int]]:
            try:
                yield from self._versions(request, name)
            except PachydermError as fault:
                raise fault.wrapped(prefix) from None

        def as_stored(row: tuple[Pipeline, Pipeline, int]) -> str:
            return pipeline_json(pipeline_info(row[0], 0, self._live))

        kept = Filter(request.jqFilter, "pipeline", prefix).keep(rows(), as_stored)
        size = min(request.page.page_size, MOST_ROWS)
        first = min(max(size * request.page.page_index, 0), MOST_ROWS)
        for _, then, last in itertools.islice(kept, first, first + size if size > 0 else None):
            yield pipeline_info(then, last, self._live)

    def _versions(self, request: Any, name: PipelineName | None) -> list[tuple[Pipeline, Pipeline, int]]:
        """The versions that a ListPipeline asks for, each with the one that it shows and the state of its last job."""
        rows = []
        with self._pfs.store.database.read() as db:
            for found in pipelines.listing(db, name, request.history, project_names(request.projects)):
                if not request.commit_set.id:
                    rows.append((found, found, jobs.latest_state(db, found.name)))
                    continue
                then = pipelines.at_commit_set(db, found.name, request.commit_set.id)
                if then is not None:
                    rows.append((found, then, jobs.latest_state(db, then.name, then.version)))
        return rows

    def PipelinesSummary(self, request: Any, call: Call) -> Any:
        if any(picker.WhichOneof("picker") is None for picker in request.projects):
            raise PachydermError("project picker is of an unknown type: <nil>")
        answer = pps_v2.PipelinesSummaryResponse()
        with self._pfs.store.database.read() as db:
            for summary in status.summaries(db, [picker.name for picker in request.projects]):
                answer.summaries.add(
                    project=pfs_v2.Project(name=summary.project),
                    active_pipelines=summary.active,
                    paused_pipelines=summary.paused,
                    failed_pipelines=summary.failed,
                    unhealthy_pipelines=summary.unhealthy,
                )
        return answer

    def CheckStatus(self, request: Any, call: Call) -> Iterator[Any]:
        projects = frozenset({request.project.name} - {""})
        with self._pfs.store.database.read() as db:
            alerts = [(found, status.alerts(found)) for found in pipelines.listing(db, projects=projects)]
        for found, texts in alerts:
            if texts:
                project = request.project if request.HasField("project") else None
                yield pps_v2.CheckStatusResponse(project=project, pipeline=pipeline_message(found.name), alerts=texts)

    # ------------------------------------------------------------ started, stopped, deleted
    def StartPipeline(self, request: Any, call: Call) -> Any:
        name = self._named(request)
        with self._pfs.transaction() as tx:
            control.start(tx, name)
        return google.Empty()

    def StopPipeline(self, request: Any, call: Call) -> Any:
        name = self._named(request)
        with self._pfs.transaction() as tx:
            control.stop(tx, name, request.must_exist)
        return google.Empty()

    def _named(self, request: Any) -> PipelineName:
        if not request.HasField("pipeline"):
            raise PachydermError("request.Pipeline cannot be nil")
        return required_pipeline(request)

    def RunCron(self, request: Any, call: Call) -> Any:
        crons.run_now(self._pfs, required_pipeline(request))
        return google.Empty()

    def RunPipeline(self, request: Any, call: Call) -> Any:
        if request.HasField("pipeline"):
            required_pipeline(request)
        raise PachydermError("unimplemented")

    def DeletePipeline(self, request: Any, call: Call) -> Any:
        name = required_pipeline(request)
        if request.all:  # asks for the pipelines of no project
            return google.Empty()
        try:
            stopped = self._stop(name, request.must_exist)
        except PachydermError as fault:
            raise fault.wrapped(f"error stopping pipeline {name}: ") from None
        with self._pfs.transaction() as tx:
            control.delete(tx, [stopped], request.force, request.keep_repo)
        return google.Empty()

    def DeletePipelines(self, request: Any, call: Call) -> Any:
        projects = frozenset(project.name for project in request.projects)
        names = self._delete(projects, request.all, request.force, request.keep_repo)
        return pps_v2.DeletePipelinesResponse(pipelines=map(pipeline_message, names))

    def _stop(self, name: PipelineName, must_exist: bool = False) -> PipelineName:
        """Stop what is to be deleted: a deletion that is refused afterwards leaves it stopped."""
        with self._pfs.transaction() as tx:
            return control.stop(tx, name, must_exist)

    def _delete(
        self, projects: frozenset[str], all: bool = False, force: bool = False, keep_repo: bool = False
    ) -> list[PipelineName]:
        with self._pfs.store.database.read() as db:
            names = control.in_projects(db, projects, all)
        for name in names:
            self._stop(name)
        with self._pfs.transaction() as tx:
            control.delete(tx, names, force, keep_repo)
        return names

    def DeleteAll(self, request: Any, call: Call) -> Any:
        self._delete(frozenset(), all=True, force=True)
        with self._pfs.store.database.write() as db:
            secrets.delete_all(db)
        return google.Empty()
