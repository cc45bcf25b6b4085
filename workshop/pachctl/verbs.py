"""The verbs that group the commands, and the commands of pachctl that this one names but does not do."""

from __future__ import annotations

from workshop.pachctl.commands import Call, command, group
from workshop.pachctl.errors import Failure

_VERBS = {
    "copy": "Copy a Pachyderm resource.",
    "create": "Create a new instance of a Pachyderm resource.",
    "delete": "Delete an existing Pachyderm resource.",
    "diff": "Show the differences between two Pachyderm resources.",
    "draw": "Draw an ASCII representation of an existing Pachyderm resource.",
    "edit": "Edit the value of an existing Pachyderm resource.",
    "find": "Find a file addition, modification, or deletion in a commit.",
    "finish": "Finish a Pachyderm resource.",
    "get": "Get the raw data represented by a Pachyderm resource.",
    "glob": "Print a list of Pachyderm resources matching a glob pattern.",
    "inspect": "Show detailed information about a Pachyderm resource.",
    "list": "Print a list of Pachyderm resources of a specific type.",
    "put": "Insert data into Pachyderm.",
    "rerun": "Manually rerun a Pachyderm resource.",
    "restart": "Cancel and restart an ongoing task.",
    "resume": "Resume a stopped task.",
    "run": "Manually run a Pachyderm resource.",
    "squash": "Squash an existing Pachyderm resource.",
    "start": "Start a Pachyderm resource.",
    "stop": "Cancel an ongoing task.",
    "subscribe": "Wait for notifications of changes to a Pachyderm resource.",
    "update": "Change the properties of an existing Pachyderm resource.",
    "validate": "Validate the specification of a Pachyderm resource.",
    "wait": "Wait for the side-effects of a Pachyderm resource to propagate.",
    "check": "Check the status of pipelines within a project.",
    "next": "Used internally for datum batching.",
    "auth": "Auth commands manage access to data in a Pachyderm cluster",
    "auth check": "Check whether a subject has a permission on a resource",
    "auth get": "Get the role bindings for a resource",
    "auth set": "Set the role bindings for a resource",
    "debug": "Debug commands for analyzing a running cluster.",
    "enterprise": "Deprecated. Please don't use.",
    "idp": "Commands to manage identity provider integrations",
    "license": "Deprecated. Please don't use.",
}
_LONG = {
    "find": "fInd a file addition, modification, or deletion in a commit.",
    "validate": "Validate the specification of a Pachyderm resource.  Client-side only.",
}
# path: (what it is, the plural of its noun)
_ABSENT = {
    "auth activate": ("Activate Pachyderm's auth system", ""),
    "auth check project": ("Check the permissions a user has on a project", ""),
    "auth check repo": ("Check the permissions a user has on a repo", "s"),
    "auth deactivate": (
        "Delete all ACLs, tokens, admins, IDP integrations and OIDC clients, and deactivate Pachyderm auth",
        "",
    ),
    "auth get cluster": ("Get the role bindings for the cluster", ""),
    "auth get project": ("Get the role bindings for a project", ""),
    "auth get repo": ("Get the role bindings for a repo.", "s"),
    "auth login": ("Log in to Pachyderm", ""),
    "auth logout": ("Log out of Pachyderm by deleting your local credential", ""),
    "auth set cluster": ("Set the roles that a subject has on the cluster", ""),
    "auth set project": ("Set the roles that a subject has on a project ", ""),
    "auth set repo": ("Set the roles that a subject has on repo", "s"),
    "auth whoami": ("Print your Pachyderm identity", ""),
    "config import-kube": (
        "Import a Kubernetes context as a Pachyderm context, and set the active Pachyderm context.",
        "",
    ),
    "debug dump": ("Collect a standard set of debugging information.", ""),
    "debug log-level": ("Change the log level across Pachyderm.", ""),
    "debug profile": ("Collect a set of pprof profiles.", ""),
    "enterprise get-state": ("Deprecated. Please don't use.", ""),
    "idp get-config": ("Get the identity server config", ""),
    "idp set-config": ("Set the identity server config", ""),
    "kube-events": ("Return the kubernetes events.", ""),
    "license get-state": ("Deprecated. Please don't use.", ""),
    "loki": ("Query the loki logs.", ""),
    "mount": ("Mount pfs locally. This command blocks.", ""),
    "port-forward": ("Forward a port on the local machine to pachd. This command blocks.", ""),
    "run pfs-load-test": ("Run a PFS load test.", ""),
    "run pps-load-test": ("Run a PPS load test.", ""),
    "shell": ("Run the pachyderm shell.", ""),
    "unmount": ("Unmount pfs.", ""),
}

for _path, _short in _VERBS.items():
    group(_path, _short, _LONG.get(_path, ""))

group(
    "object",
    "Docs for objects.",
    "Objects are content-addressed blobs of data that are directly stored in the backend object store. \n\n"
    "Objects are a low-level resource and should not be accessed directly by most users.",
    associated=" object$",
)


def _absent(call: Call) -> None:
    raise Failure(
        f"`{call.command.path}` is not part of the workshop's pachctl: it needs Pachyderm's own, and a cluster"
    )


for _path, (_short, _plural) in _ABSENT.items():
    command(_path, _short, None, plural=_plural)(_absent)
