#!/usr/bin/env python3
"""A container engine small enough for tests: `run`, `kill`, `rm`, `ps`, `image inspect` of docker's command line.

It has one image, example.org/tiny:1, which is this machine's own file system with a file of its own, and really runs
the command: in private namespaces, with the volumes that were asked for, and with no other variables than the image's
and those asked for. Like docker's, the command may be killed and its container lives on until somebody kills that.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
STATE = Path(os.environ["TINY_ENGINE"])  # a folder: a file for each container
IMAGE = "example.org/tiny:1"
IMAGE_ENV = {"PATH": os.defpath, "FROM_IMAGE": "yes", "HOME": "/"}


def fault(text, status=125):
    print(f"tiny: {text}", file=sys.stderr)
    sys.exit(status)


def run(words):
    options, volumes, env, labels = {}, {}, {}, {}
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in ("--rm", "--interactive"):
            options[word] = True
            continue
        word, given, value = word.partition("=")
        value = value if given else words.pop(0)
        if word == "--volume":
            source, place = value.split(":")[:2]
            volumes[place] = source
        elif word == "--env":
            key, given, value = value.partition("=")
            env[key] = value if given else os.environ[key]
        elif word == "--label":
            key, _, labels[key] = value.partition("=")
        else:
            options[word] = value
    image, *arguments = words
    if image != IMAGE:
        fault(f"No such image: {image}")
    if options["--pull"] != "never" or options["--network"] != "host":
        fault("this engine pulls nothing and has no networks")
    command = [options["--entrypoint"], *arguments]
    note = STATE / options["--name"]
    note.write_text(json.dumps({"labels": labels}))
    reader, writer = os.pipe()
    shim = os.fork()
    if shim == 0:  # the container's parent is nobody that a client's death would concern
        os.setsid()
        os.close(reader)
        status = contained(command, volumes, {**IMAGE_ENV, **env}, options, note, labels)
        note.unlink(missing_ok=True)
        os.write(writer, bytes([status & 255]))
        os._exit(0)
    os.close(writer)
    sys.exit((os.read(reader, 1) or b"\x7d")[0])


def contained(command, volumes, env, options, note, labels):
    from workshop.pachd.sandbox import namespace

    with tempfile.TemporaryDirectory() as root:
        child = os.fork()
        if child == 0:
            libc = namespace.Libc()
            namespace.unshare(libc, True)
            inner = os.fork()
            if inner:
                note.write_text(json.dumps({"labels": labels, "pid": inner}))
                os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]) & 255)
            pfs = volumes.pop("/pfs")
            namespace.enter_root(libc, root, pfs, volumes, True)
            Path("/image-marker").write_text("of the image\n")
            if "--interactive" not in options:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(options.get("--workdir", "/"))
            try:
                if "--user" in options:
                    become(options["--user"])
                os.execvpe(command[0], command, env)
            except OSError as error:
                fault(f"{command[0]}: {error}", 127)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def become(user):
    import pwd

    uid, gid = user.split(":") if ":" in user else (pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    os.setgid(int(gid))
    os.setuid(int(uid))


def main(words):
    verb = words.pop(0)
    if verb == "run":
        run(words)
    elif verb == "kill":
        found = json.loads((STATE / words[0]).read_text()) if (STATE / words[0]).exists() else {}
        if "pid" not in found:
            fault(f"no such container: {words[0]}", 1)
        os.kill(found["pid"], signal.SIGKILL)
    elif verb == "rm":
        (STATE / words[-1]).unlink(missing_ok=True)
    elif verb == "ps":
        wanted = words[-1].removeprefix("label=").split("=", 1) if "--filter" in words else None
        for note in STATE.iterdir():
            labels = json.loads(note.read_text()).get("labels", {})
            if wanted is None or labels.get(wanted[0]) == wanted[1]:
                print(note.name)
    elif verb == "image":
        if words[-1] != IMAGE:
            fault(f"No such image: {words[-1]}", 1)
    elif verb != "version":
        fault(f"unknown command {verb}")


def available():
    """Whether this machine allows what the engine does."""
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    main(sys.argv[1:])
