"""The sandbox process: commands of the daemon in, events out (see serve.py), user code below, in a private /pfs."""

import marshal
import os
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
if __name__ == "__main__":
    sys.path[0] = ROOT
    _store = type(sys)("workshop.pachd.store")  # its own __init__ needs more than the standard library
    _store.__path__ = [os.path.join(ROOT, "workshop", "pachd", "store")]
    sys.modules["workshop.pachd.store"] = _store

from workshop.pachd.sandbox import namespace  # noqa: E402
from workshop.pachd.sandbox.command import children  # noqa: E402
from workshop.pachd.sandbox.poller import Closed, Poller  # noqa: E402
from workshop.pachd.sandbox.serve import Sandbox  # noqa: E402


def enter(settings):
    """Make the best private /pfs this machine allows; what was made: mode, where /pfs is, where small inputs may lie in
    memory, whether we are process 1.
    """
    facts = {"mode": "paths", "pfs": settings["pfs"], "processes": False, "refused": [], "memory": ""}
    if settings.get("engine"):  # no subreaper either: what an engine leaves running is its own affair
        return {**facts, "mode": settings["engine"]["name"]}
    if not sys.platform.startswith("linux"):
        return {**facts, "refused": ["private mounts need Linux"]}
    libc = namespace.Libc()
    for mode in settings["modes"]:
        if mode == "paths":
            break
        if len(settings["modes"]) == 1:  # tried before: this machine allows it
            _enter(libc, mode, settings)
            return {**facts, **_private(mode)}
        reader, writer = os.pipe()
        child = os.fork()  # a try that fails half-way must not leave its namespace behind
        if child:
            os.close(writer)
            answer = os.read(reader, 4096)
            os.close(reader)
            os.waitpid(child, 0)
            if answer != b"ok":
                facts["refused"].append(f"{mode}: {answer.decode(errors='replace') or 'ended without a word'}")
                continue
        else:
            try:
                _enter(libc, mode, settings)
                os.write(writer, b"ok")
            except OSError as error:
                os.write(writer, str(error).encode()[:4000])
            os._exit(0)
        _enter(libc, mode, settings)
        return {**facts, **_private(mode)}
    libc.prctl(namespace.SET_CHILD_SUBREAPER, 1)
    return facts


def _private(mode):
    return {"mode": mode, "pfs": "/pfs", "processes": mode == "processes", "memory": namespace.MEMORY}


def _enter(libc, mode, settings):
    processes = mode == "processes"
    namespace.unshare(libc, processes)
    if processes:
        namespace.become_init(libc)
    else:
        libc.prctl(namespace.SET_CHILD_SUBREAPER, 1)
    namespace.enter_root(libc, settings["root"], settings["pfs"], settings["code"], processes)


def main():
    commands, events = (os.dup(number) for number in (0, 1))
    for number in (commands, events):
        os.set_inheritable(number, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    size = int.from_bytes(_exactly(commands, 4), "big")
    settings = marshal.loads(_exactly(commands, size))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    facts = enter(settings)
    sandbox = None
    try:
        sandbox = Sandbox(Poller(commands, events), settings, facts)
        sandbox.serve()
    except Closed:
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())  # into the daemon's sandbox.log: nothing prints it after us
    finally:
        if sandbox is not None and settings.get("engine"):
            sandbox.commands.kill()
        _end_everything(facts)


def _end_everything(facts):
    """Nothing may outlive the sandbox: as process 1 the kernel sees to it, otherwise we kill our children."""
    while not facts["processes"]:
        orphans = children()
        if not orphans:
            break
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        for pid in orphans:
            os.waitpid(pid, 0)
    os._exit(0)


def _exactly(handle, size):
    data = b""
    while len(data) < size:
        more = os.read(handle, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


if __name__ == "__main__":
    main()
