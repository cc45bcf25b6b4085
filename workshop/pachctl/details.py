"""The long screens of `inspect job` and `inspect pipeline`, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachctl.golang import json_text, reindented
from workshop.pachctl.messages import Message, number
from workshop.pachctl.protocol import schema
from workshop.pachctl.tables import ago, columns, human_duration, seconds_of, size


def job_lines(info: Message, state: str, full: bool) -> Iterator[str]:
    """A job with its details."""
    details, stats = info.details, info.stats
    yield f"ID: {info.job.id}"
    yield f"Pipeline: {info.job.pipeline.name}"
    yield f"Project: {info.job.pipeline.project.name}"
    yield f"Started: {ago(info, 'started', full)}" + ("" if full else " ")
    if "finished" in info:
        yield f"Duration: {human_duration(seconds_of(info.finished) - seconds_of(info.started))} "
    yield f"State: {state}"
    yield f"Reason: {info.reason}"
    yield f"Processed: {info.data_processed}"
    yield f"Failed: {info.data_failed}"
    yield f"Skipped: {info.data_skipped}"
    yield f"Recovered: {info.data_recovered}"
    yield f"Total: {info.data_total}"
    yield f"Data Downloaded: {size(stats.download_bytes)}"
    yield f"Data Uploaded: {size(stats.upload_bytes)}"
    for name in ("download", "process", "upload"):
        yield f"{name.title()} Time: {human_duration(seconds_of(getattr(stats, name + '_time')))}"
    yield f"Datum Timeout: {printed(details, 'datum_timeout')}"
    yield f"Job Timeout: {printed(details, 'job_timeout')}"
    yield "Worker Status:"
    yield _worker_status(details.worker_status, full)
    yield f"Restarts: {info.restart}"
    yield f"ParallelismSpec: {printed(details, 'parallelism_spec')}"
    yield from _resources(details, sidecars=True)
    if "service" in details:
        internal, external = details.service.internal_port, details.service.external_port
        yield "Service:"
        yield "\t" + (f"InternalPort: {internal} " if internal else "")
        yield "\t" + (f"ExternalPort: {external} " if external else "") + " "
    yield f"Input: {struct_json(details.input) if 'input' in details else ''}"
    yield f"Transform: {transform_json(details.transform)} "
    if "output_commit" in info:
        yield f"Output Commit: {info.output_commit.id} "
    if "egress" in details:
        yield f"Egress: {egress_text(details.egress)} "


def pipeline_lines(info: Message, state: str, full: bool) -> Iterator[str]:
    """A pipeline with its details, as the user wrote it and as it is run."""
    details = info.details
    yield f"Name: {info.pipeline.name}"
    if details.description:
        yield f"Description: {details.description}"
    yield f"Created: {ago(details, 'created_at', full)}" + ("" if full else " ")
    yield f"State: {state}"
    yield f"Reason: {info.reason}"
    yield f"Workers Available: {details.workers_available}/{details.workers_requested}"
    yield f"Stopped: {str(info.stopped).lower()}"
    yield from _specification(details)
    if "egress" in details:
        yield f"Egress: {egress_text(details.egress)}"
    if details.recent_error:
        yield f"Recent Error: {details.recent_error}"
    for title, text in (("User", info.user_spec_json), ("Effective", info.effective_spec_json)):
        if text:
            yield f"{title} Spec: {reindented(text, 2, '  ')}"


def request_lines(request: Message) -> Iterator[str]:
    """A pipeline that would be created."""
    yield f"Name: {request.pipeline.name}"
    if request.description:
        yield f"Description: {request.description}"
    yield from _specification(request)
    yield f"Egress: {egress_text(request.egress)} " if "egress" in request else ""


def _specification(of: Message) -> Iterator[str]:
    yield f"Parallelism Spec: {printed(of, 'parallelism_spec')}"
    yield from _resources(of, sidecars=False)
    yield f"Datum Timeout: {printed(of, 'datum_timeout')}"
    yield f"Job Timeout: {printed(of, 'job_timeout')}"
    yield f"Input: {struct_json(of.input) if 'input' in of else ''}"
    yield f"Output Branch: {of.output_branch}"
    yield f"Transform: {transform_json(of.transform) if 'transform' in of else 'null'}"


def _resources(of: Message, sidecars: bool) -> Iterator[str]:
    names = ["resource_requests", "resource_limits"]
    names += ["sidecar_resource_requests", "sidecar_resource_limits"] if sidecars else []
    for name in names:
        if name not in of:
            continue
        spec = of[name]
        yield "".join(word.title() for word in name.split("_")) + ":"
        yield f"  CPU: {number(spec.cpu, single=True)}"
        if name != "resource_limits":
            yield f"  Memory: {spec.memory} "
            continue
        yield f"  Memory: {spec.memory}"
        if "gpu" in spec:
            yield "  GPU:"
            yield f"    Type: {spec.gpu.type}"
            yield f"    Number: {spec.gpu.number}  "
        else:
            yield "   "


def _worker_status(workers: list[Message], full: bool) -> str:
    lines = [["WORKER", "JOB", "DATUM", "STARTED", ""]]
    for worker in workers:
        cells = [worker.worker_id, worker.job_id]
        if "datum_status" in worker:
            cells += [
                "".join(file.path for file in worker.datum_status.data),
                ago(worker.datum_status, "started", full),
            ]
        lines.append([*cells, ""])
    return columns(lines, minimum=20, padding=3).rstrip("\n")


def printed(of: Message, name: str) -> str:
    """A sub-message as Go prints it: name:value pairs, or <nil> where there is none."""
    if name not in of:
        return "<nil>"
    return "  ".join(
        f"{field.name}:{of[name][field.name]}"
        for field in schema(of[name].__dict__["of"]).fields
        if of[name].get(field.name)
    )


def struct_json(message: Message) -> str:
    """A message as encoding/json writes its struct: names as declared, numbers as numbers, times as seconds and
    nanos.
    """
    return json_text(_struct(message), indent=2, sort=False)


def _struct(message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for field in schema(message.__dict__["of"]).fields:
        value = message.get(field.name)
        if value in (None, "", 0, False, [], {}) and not isinstance(value, Message):
            continue
        if field.map:
            result[field.name] = {key: value[key] for key in sorted(value)}
        elif field.repeated:
            result[field.name] = [_struct(item) if isinstance(item, Message) else item for item in value]
        elif field.kind in ("float", "double"):
            result[field.name] = number(value, single=field.kind == "float")
        elif field.kind == "enum":
            result[field.name] = next((number for number, word in field.enum.items() if word == value), value)
        else:
            result[field.name] = _struct(value) if isinstance(value, Message) else value
    return result


def transform_json(transform: Message) -> str:
    """A transform as JSON, with < and > left readable."""
    return struct_json(transform).replace(r"\u003c", "<").replace(r"\u003e", ">")


def egress_text(egress: Message) -> str:
    for name, title in (("object_storage", "ObjectStorage"), ("sql_database", "SqlDatabase")):
        if name in egress:
            return json_text({title: _struct(egress[name])}, indent=2, sort=False)
    return egress.URL
