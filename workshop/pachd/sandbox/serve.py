"""One sandbox at work: datums through user code, one after another, and what the daemon is told of them.

Commands (marshalled tuples):
  ("job", key, settings)        what datums of this job have in common; see `Job`
  ("datums", key, [datum, ...], last)
                                datum = (index, env, inputs); inputs = [(name, flags, [(path, size, extents)])];
                                last: a batching process ends behind these
  ("stop", key)                 drop the job's datums, kill what runs for it
  ("restart", key, index)       kill what runs if it is this datum: this try has failed
Events (lists of them):
  ("ready", facts) once; ("rows", [...]) where new chunks lie; ("started", key, index) unless it is done by then;
  ("log", key, index, ns, [line]);
  ("files", key, index, try, [(path, size, chunks)]) more of an output than one message should hold;
  ("done", key, index, state, try, reason, bytes in, bytes out, ns laying out, ns running, ns collecting, files);
  ("stopped", key); ("pack", size) the pack is full, a new one is wanted: answered by ("pack", number).
"""

import os
import signal
import time

from workshop.pachd.sandbox.batching import Server, encoded
from workshop.pachd.sandbox.collect import Collector, Refused
from workshop.pachd.sandbox.command import Commands, Failed
from workshop.pachd.sandbox.layout import Layout
from workshop.pachd.sandbox.pipes import Feeder
from workshop.pachd.sandbox.poller import Stopped
from workshop.pachd.store.blobs import PackWriter

SUCCESS, FAILED, RECOVERED = "success", "failed", "recovered"
REDEEMED = "redeemed"  # a success after a try that the handler recovered
RESTARTED = "signal: killed"  # why the try of a datum failed that was told to start anew
FILES_AT_ONCE = 2000
FULL_PACK = 256 << 20


class Job:
    """What the datums of one job have in common."""

    def __init__(self, settings, port):
        self.command = settings["cmd"]
        self.stdin = settings.get("stdin")  # bytes or None
        self.handler = settings.get("err_cmd") or []
        self.handler_stdin = settings.get("err_stdin")
        # Before the datum's own variables; the port is where NextDatum is to be called.
        given = dict(_named(*each) for each in settings.get("env", {}).items() if each[0])
        self.env = {**given, "PPS_WORKER_GRPC_PORT": str(port)}
        self.late_env = settings.get("late_env", {})  # these win over everything
        self.late_text, self.late_answer = _env_file(self.late_env), encoded(self.late_env)
        self.tries = max(1, settings.get("tries", 3))
        self.timeout = settings.get("timeout")  # seconds or None
        self.accepted = frozenset(settings.get("accept", ())) | {0}
        self.folder = settings.get("working_dir") or settings.get("default_dir", "")
        self.account = settings.get("account")  # (uid, gid), what an engine is to call the user, or None
        self.batching = settings.get("batching", False)
        self.keep_output = settings.get("keep_output", True)

    def whole(self, env):
        """The variables of a run of user code, with those of a datum among them."""
        return {**self.env, **env, **self.late_env}


class Sandbox:
    def __init__(self, poller, settings, facts):
        self.poller = poller
        self.layout = Layout(facts["pfs"], settings["packs"], settings.get("open_to_all", False), facts["memory"])
        self.layout.foreign = bool(settings.get("engine"))
        self.commands = self._commands(poller, settings, facts)
        self.packs = self._writer(settings["packs"], settings["pack"])
        self.collector = Collector(self.layout, self)
        self.feeder = Feeder(settings["packs"])
        self.fed = 0  # bytes of lazy files that the datum at hand has opened
        self.commands.ending = self._stop_feeding
        self.server = Server(poller, settings.get("batching", False))
        self.jobs, self.queue = {}, []
        self.current = None  # (key, index)
        self.stopping = self.restarting = False
        self.serving = None  # the job whose batching process runs
        poller.received = self._command
        poller.interrupted = lambda: self.stopping or self.restarting
        poller.before_sending = self._rows
        poller.emit(("ready", {**facts, "port": self.server.port, "pid": os.getpid()}))
        poller.flush()

    def _commands(self, poller, settings, facts):
        if not settings.get("engine"):
            return Commands(poller, facts["processes"], settings["folder"], self._say)
        from workshop.pachd.sandbox.contained import Contained  # what it needs takes long to load

        return Contained(poller, settings["folder"], self._say, settings)

    # ---------------------------------------------------------------- talking to the daemon

    def _writer(self, packs, number):
        self._packs_folder = packs
        self._pack_asked = False
        return PackWriter(f"{packs}/{number:08d}.pack", number)

    def _roll(self, number):
        """Go on with another writer."""
        self.packs.push()
        rows = self.packs.rows()
        if rows:
            self.poller.emit(("rows", rows))
        self.packs.close()
        self.packs = self._writer(self._packs_folder, number)

    def add(self, data):
        """Store a chunk (Collector's view of the pack); its hash."""
        return self.packs.add(data)

    def _rows(self):
        self.packs.push()
        rows = self.packs.rows()
        if self.packs.size > FULL_PACK and not self._pack_asked:
            self._pack_asked = True
            return [("rows", rows), ("pack", self.packs.size)]
        return [("rows", rows)] if rows else []

    def _say(self, lines):
        key, index = self.current or (self.serving, -1)
        self.poller.emit(("log", key, index, time.time_ns(), lines), sum(map(len, lines)) + 100)

    def _command(self, command):
        kind, key, *rest = command
        if kind == "datums":
            if key in self.jobs:
                self.queue += [(key, datum) for datum in rest[0]] + [(key, None)] * rest[1]
        elif kind == "job":
            self.jobs[key] = Job(rest[0], self.server.port)
            # A writer remembers what it wrote, but what earlier jobs wrote may be gone: an open one starts anew.
            self._roll(self.packs.number)
        elif kind == "stop":
            self.jobs.pop(key, None)
            self.queue = [item for item in self.queue if item[0] != key]
            if self.current is not None and self.current[0] == key:
                self.stopping = True
            elif self.serving == key:
                self._end_service()
            if not self.stopping:
                self.poller.emit(("stopped", key))
        elif kind == "restart":
            self.restarting = self.current == (key, rest[0])
        elif kind == "pack":
            self._roll(key)

    def serve(self):
        """Work until the daemon goes away."""
        while True:
            while self.queue:
                key, datum = self.queue.pop(0)
                if datum is not None:
                    self._datum(key, datum)
                elif self.serving == key:
                    self._end_service()
            self.poller.flush()
            ready = self.poller.wait()
            if self.commands.pid and ready:
                self.commands.drain()
                if self.commands.ended() is not None:
                    self._end_service()

    # ---------------------------------------------------------------- one datum

    def _datum(self, key, datum):
        job = self.jobs[key]
        index, env, inputs = datum
        self.current = (key, index)
        self.stopping = self.restarting = False
        if self.serving is not None and self.serving != key:
            self._end_service()
        self.poller.emit(("started", key, index), 50)
        try:
            self._tries(job, key, index, env, inputs)
        except Stopped:
            self._end_service()
            self.poller.emit(("stopped", key))
        finally:
            self.current = None
            self.stopping = False

    def _tries(self, job, key, index, env, inputs):
        env = dict(_named(name, value) for name, value in env.items())
        whole = job.whole(env)
        # a batching process has the rest of it, and pays for each line that it reads
        text = _env_file(env) + job.late_text if job.batching else _env_file(whole)
        recovered, refused, reason, size, laid, ran = False, False, "", 0, 0, 0
        for number in range(1, job.tries + 1):
            refused = False
            begun = time.perf_counter_ns()
            try:
                self._stop_feeding()
                self.fed = 0
                size = self.layout.prepare(inputs, text, number > 1)
                self.feeder.start(self.layout.pipes)
            except OSError as error:
                reason = f"could not lay out the datum: {error}"
                self._say([reason.encode()])
                continue
            ready = time.perf_counter_ns()
            laid += ready - begun
            deadline = None if job.timeout is None else time.monotonic() + job.timeout
            try:
                reason = self._batched(job, key, env, deadline) if job.batching else self._single(job, whole, deadline)
            except Stopped:
                if self.stopping:
                    raise
                reason = self._restarted()
            over = time.perf_counter_ns()
            ran += over - ready
            self._stop_feeding()
            size += self.fed
            if not reason:
                try:
                    files, written = self._collect(job, key, index, number, inputs)
                except (Refused, OSError) as error:
                    reason, refused = str(error), True
                    self._say([reason.encode("utf-8", "replace")])
                else:
                    spent = time.perf_counter_ns() - over
                    state = REDEEMED if recovered else SUCCESS
                    done = ("done", key, index, state, number, "", size, written, laid, ran, spent, files)
                    self.poller.retract(("started", key, index))
                    self.poller.emit(done, 200 + 100 * len(files))
                    return
            elif reason != RESTARTED and job.handler and self._handled(job, whole, deadline):
                recovered = True
        state = RECOVERED if recovered else FAILED
        files = [] if refused else self._left_behind(job, key, index, inputs)
        self.poller.emit(("done", key, index, state, job.tries, reason, size, 0, laid, ran, 0, files))

    def _restarted(self):
        """Somebody asked for the datum to be restarted: what this try came to."""
        self.restarting = False
        self._end_service()
        return RESTARTED

    def _left_behind(self, job, key, index, inputs):
        """What the last try had written when it failed: the meta repo shows it, the output does not."""
        try:
            return self._collect(job, key, index, job.tries, inputs)[0]
        except (Refused, OSError):
            return []

    def _single(self, job, env, deadline):
        """Run the command once; why it failed, "" if it did not."""
        try:
            self.commands.start(job.command, env, job.stdin, job.folder, job.account)
        except Failed as error:
            self._say([str(error).encode()])
            return str(error)
        try:
            code = self.commands.wait(deadline)
        except BaseException:
            self.commands.kill()
            raise
        return self._verdict(job, code)

    def _verdict(self, job, code):
        if code is None:
            self.commands.kill()
            reason = f"user code ran longer than the datum timeout of {job.timeout:g} seconds and was killed"
            self._say([reason.encode()])
            return reason
        if max(code, -1) in job.accepted:  # all signals are one exit status, as Go has it
            return ""
        return f"signal: {_signal_name(-code)}" if code < 0 else f"exit status {code}"

    def _handled(self, job, env, deadline):
        if deadline is not None and time.monotonic() >= deadline:
            return False
        self.feeder.start(self.layout.pipes)
        try:
            self.commands.start(job.handler, env, job.handler_stdin, job.folder, job.account)
            code = self.commands.wait(deadline)
        except Failed as error:
            self._say([str(error).encode()])
            return False
        except BaseException as error:
            self.commands.kill()
            if self.stopping or not isinstance(error, Stopped):
                raise
            self.restarting = False
            return False
        if code is None:
            self.commands.kill()
        return code is not None and max(code, -1) in job.accepted

    def _collect(self, job, key, index, number, inputs):
        files: list = []
        if not job.keep_output:
            return files, 0

        def give(path, size, chunks):
            files.append((path, size, chunks))
            if len(files) >= FILES_AT_ONCE:
                self.poller.emit(("files", key, index, number, files[:]), 100 * len(files))
                files.clear()

        return files, self.collector.collect(inputs, give)

    # ---------------------------------------------------------------- datum batching

    def _batched(self, job, key, env, deadline):
        """Give the datum to the process that asks for them, wait until it asks again; why the datum failed, or ""."""
        server = self.server
        try:
            if not self.commands.pid:
                server.hang_up()
                self.serving = key
                self.commands.start(job.command, job.whole({}), job.stdin, job.folder, job.account)
            for stage in ("ask", "work"):
                while server.waiting is None:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        self._end_service()
                        return (
                            self._verdict(job, None) if stage == "work" else "user code did not ask for a datum in time"
                        )
                    ready = self.poller.wait(left)
                    self.commands.drain()
                    if ready and server.waiting is None and self.commands.ended() is not None:
                        self._end_service()
                        self._say([b"user code exited prematurely"])
                        return "user code exited prematurely"
                if stage == "ask":
                    server.answer(encoded(env) + job.late_answer)
        except Failed as error:
            self._say([str(error).encode()])
            return str(error)
        self.commands.output.finish()
        failure = server.waiting[2] if server.waiting else ""
        if failure:
            self._end_service()
        return failure

    def _stop_feeding(self):
        self.fed += self.feeder.stop()

    def _end_service(self):
        self.commands.kill()
        self.server.hang_up()
        self.serving = None


def _named(name, value):
    """A variable of an input's name as a process finds it: a name ends at its first equals sign."""
    name, _, rest = f"{name}={value}".partition("=")
    return name, rest


def _env_file(env):
    """The text of /pfs/.env."""
    return "".join([f"{name}={_quoted(value)}\n" for name, value in env.items()]).encode()


def _quoted(value):
    """A value that has lines is quoted as a shell would."""
    return "'" + value.replace("'", "'\\''") + "'" if "\n" in value else value


def _signal_name(number):
    try:
        return (signal.strsignal(number) or str(number)).lower()
    except ValueError:
        return str(number)
