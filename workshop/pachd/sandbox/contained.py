"""User code in containers: each run is one container of the pipeline's image, with the worker's folder as its /pfs."""

import os

from workshop.pachd.containers import STATE, WORKER, Engine
from workshop.pachd.sandbox.command import Commands

MOST_LINKS = 40


class Contained(Commands):
    """Commands that an engine runs. What ends is the engine's command; the container is ended through the engine."""

    def __init__(self, poller, scratch, say, settings):
        super().__init__(poller, False, scratch, say)
        wanted = settings["engine"]
        self._engine = Engine(wanted["name"], wanted["program"])
        self._image = wanted["image"]
        self._mounts = {"/pfs": settings["pfs"], **settings["code"]}
        self._labels = {STATE: wanted["state"], WORKER: settings["folder"]}
        self._runs = 0
        self._container = ""

    def start(self, command, env, stdin=None, folder="", account=None):
        self._runs += 1
        self._container = f"pachd-{os.getpid()}-{self._runs}-{os.urandom(4).hex()}"
        words, own = self._engine.run(
            self._image,
            self._container,
            command,
            env,
            self._mounts,
            self._labels,
            stdin is not None,
            folder,
            account or "",
        )
        super().start(words, own, stdin)

    def kill(self):
        if self.pid:
            super().kill()
            self._engine.end(self._container)


def resolve(link, folder):
    """Where a link leads for user code that knew `folder` as /pfs, as a path of this machine.

    None when it leads to the container's own files, which went with it. OSError when it leads nowhere.
    """
    parts = _parts("/pfs" + link[len(folder) :])
    done: list[str] = []
    followed = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        done.append(part)
        if done[0] != "pfs":
            return None
        place = os.path.join(folder, *done[1:])
        if os.path.islink(place):
            followed += 1
            if followed > MOST_LINKS:
                raise OSError(40, os.strerror(40))
            target = os.readlink(place)
            done = [] if target.startswith("/") else done[:-1]
            parts = _parts(target) + parts
        else:
            os.stat(place)
    return os.path.join(folder, *done[1:]) if done else None


def _parts(path):
    return [part for part in path.split("/") if part not in ("", ".")]
