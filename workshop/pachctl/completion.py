"""completion: code for bash and zsh, made from the tree of commands."""

from __future__ import annotations

from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure
from workshop.pachctl.help import sorted_children
from workshop.pachctl.sources import go_error
from workshop.pachctl.tree import ROOT, Command

_REPOS = "update repo|inspect repo|delete repo|list branch"
_COMMITS = "list commit|inspect commit|finish commit|wait commit|start commit"
_COMMITS += "|list file|get file|put file|glob file|inspect file"
_PIPELINES = "inspect pipeline|delete pipeline|start pipeline|stop pipeline|rerun pipeline|edit pipeline"

_FUNCTION = """\
__pachctl_words() {{
    case "$1" in
{cases}
    esac
}}

__pachctl_names() {{
    case "$1" in
        {repos}|{commits}) pachctl list repo 2>/dev/null | awk 'NR > 1 {{print $2}}' ;;
        {pipelines}) pachctl list pipeline 2>/dev/null | awk 'NR > 1 {{print $2}}' ;;
        "inspect job"|"wait job"|"stop job"|"delete job"|"list job")
            pachctl list job --no-pager 2>/dev/null | awk 'NR > 1 {{print $1}}' ;;
    esac
}}

__pachctl_path() {{
    local path="" word
    for word in "$@"; do
        case "$word" in
            -*) ;;
            *) [ -n "$(__pachctl_words "${{path:+$path }}$word")" ] && path="${{path:+$path }}$word" ;;
        esac
    done
    printf '%s' "$path"
}}
"""
_BASH = """\
# bash completion for pachctl -*- shell-script -*-

{function}
_pachctl() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" path
    path="$(__pachctl_path "${{COMP_WORDS[@]:1:COMP_CWORD-1}}")"
    COMPREPLY=($(compgen -W "$(__pachctl_words "$path") $(__pachctl_names "$path")" -- "$current"))
}}

complete -o default -F _pachctl pachctl
"""
_ZSH = """\
#compdef pachctl
compdef _pachctl pachctl

{function}
_pachctl() {{
    local path
    path="$(__pachctl_path "${{(@)words[2,CURRENT-1]}}")"
    compadd -- ${{=$(__pachctl_words "$path")}} ${{=$(__pachctl_names "$path")}}
}}
"""


def script(template: str) -> str:
    """Completion code: for each path of the tree, the words that may follow."""
    cases = []

    def walk(node: Command, path: list[str]) -> None:
        words = [child.name for child in sorted_children(node) if child.is_shown]
        words += [f"--{flag.name}" for flag in (*node.own_flags(), *node.inherited_flags()) if not flag.hidden]
        cases.append(f"        '{' '.join(path)}') echo '{' '.join(words)}' ;;")
        for child in sorted_children(node):
            walk(child, [*path, child.name])

    walk(ROOT, [])
    names = {name: "|".join(f'"{path}"' for path in paths.split("|")) for name, paths in _GROUPS.items()}
    return template.format(function=_FUNCTION.format(cases="\n".join(cases), **names))


_GROUPS = {"repos": _REPOS, "commits": _COMMITS, "pipelines": _PIPELINES}


def _complete(call: Call, template: str) -> None:
    text = script(template)
    if not call.install:
        print(text, end="")
        return
    try:
        with open(call.path, "w") as file:
            file.write(text)
    except PermissionError:
        raise Failure("could not install completions due to permissions - rerun this command with sudo") from None
    except OSError as error:
        raise Failure(f"could not install completions: {go_error('open', call.path, error)}") from None
    print(f'Completions installed in "{call.path}", you must restart your terminal to enable them.')


@command("completion bash")
def bash(call: Call) -> None:
    _complete(call, _BASH)


@command("completion zsh")
def zsh(call: Call) -> None:
    _complete(call, _ZSH)
