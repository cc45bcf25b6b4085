"""One run of user code: start it in a process group of its own, gather what it prints, end everything it started."""

import contextlib
import errno
import os
import signal
import time

KEPT_FIRST, KEPT_LAST = 4 << 20, 64 << 10  # bytes of one run's output that are kept: its beginning and its end
LINE = 64 << 10  # longer lines are cut
OF_LINE = 32  # bytes that a line counts beside its own: what is kept of one is more than its text
LINUX = hasattr(os, "pidfd_open")


class Failed(Exception):
    """The command could not be started; the text says why."""


class Output:
    """stdout and stderr of user code as lines, bounded: beyond a limit only the end is kept."""

    def __init__(self, say):
        self._say = say  # takes a list of lines (bytes without newline)
        self.start()

    def start(self):
        self._rest = b""
        self._room = KEPT_FIRST
        self._tail = b""
        self._dropped = 0

    def take(self, data):
        if self._room <= 0:
            self._tail += data
            if len(self._tail) > 4 * KEPT_LAST:
                self._dropped += len(self._tail) - KEPT_LAST
                self._tail = self._tail[-KEPT_LAST:]
            return
        self._room -= len(data) + OF_LINE * data.count(b"\n")
        self._split(data)

    def _split(self, data):
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LINE:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._say([line[at : at + LINE] for line in lines for at in range(0, len(line) or 1, LINE)])

    def finish(self):
        if self._dropped:
            note = b"... %d bytes of output are left out here ..." % self._dropped
            self._split((b"\n" if self._rest else b"") + note + b"\n")
        if self._tail:
            self._split(self._tail)
        if self._rest:
            self._say([self._rest])
        self.start()


class Commands:
    """Starts and ends the commands of one sandbox; there is at most one at a time."""

    def __init__(self, poller, whole_namespace, scratch, say):
        self.poller = poller
        self.output = Output(say)
        self._whole = whole_namespace and os.getpid() == 1  # then everything else that we can see is ours to kill
        self._pipe, self._pipe_end = os.pipe()
        os.set_blocking(self._pipe, False)
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._stdin_path = f"{scratch}/stdin"
        self._found = {}
        self.pid = 0
        self._watch = -1
        self.ending = lambda: None  # called when a command is over, before all that is left is ended
        poller.add(self._pipe)

    def start(self, command, env, stdin=None, folder="", account=None):
        """Start `command`; Failed when there is no such program or no such folder. `account` is (uid, gid) or None."""
        try:
            program = self._find(command[0], env.get("PATH", os.defpath), folder)
            standard_input = self._nothing if stdin is None else self._prepare_stdin(stdin)
            try:
                if account is None:
                    self.pid = self._spawn(program, command, env, standard_input, folder)
                else:
                    self.pid = self._fork(program, command, env, standard_input, folder, account)
            finally:
                if standard_input != self._nothing:
                    os.close(standard_input)
        except OSError as error:
            raise Failed(_words(error, command[0], folder)) from None
        except ValueError as error:  # a zero byte in a word or a variable
            raise Failed(f"exec: {error}") from None
        if LINUX:
            self._watch = os.pidfd_open(self.pid)
            self.poller.add(self._watch)

    def _find(self, name, path, folder):
        if "/" in name:
            return os.path.join(folder, name) if folder and not name.startswith("/") else name
        key = (name, path)
        if key not in self._found:
            for place in path.split(os.pathsep):
                candidate = os.path.join(place or ".", name)
                if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
                    self._found[key] = candidate
                    break
            else:
                raise Failed(f'exec: "{name}": executable file not found in $PATH')
        return self._found[key]

    def _prepare_stdin(self, data):
        """Standard input from a file: no writer has to keep up with the reader, whatever the size."""
        handle = os.open(self._stdin_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(handle, data)
        os.close(handle)
        return os.open(self._stdin_path, os.O_RDONLY | os.O_CLOEXEC)

    def _spawn(self, program, command, env, standard_input, folder):
        actions = [
            (os.POSIX_SPAWN_DUP2, standard_input, 0),
            (os.POSIX_SPAWN_DUP2, self._pipe_end, 1),
            (os.POSIX_SPAWN_DUP2, self._pipe_end, 2),
        ]
        if not folder:
            return os.posix_spawn(program, command, env, file_actions=actions, setpgroup=0, setsigdef=_HANDLED)
        here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.chdir(folder)
            return os.posix_spawn(program, command, env, file_actions=actions, setpgroup=0, setsigdef=_HANDLED)
        finally:
            os.fchdir(here)
            os.close(here)

    def _fork(self, program, command, env, standard_input, folder, account):
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setpgid(0, 0)
            for number, handle in ((0, standard_input), (1, self._pipe_end), (2, self._pipe_end)):
                os.dup2(handle, number)
            os.setgroups([])
            os.setgid(account[1])
            os.setuid(account[0])
            if folder:
                os.chdir(folder)
            os.execve(program, command, env)
        except BaseException as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def drain(self):
        """Take what user code has printed so far; False when there is nothing."""
        try:
            data = os.read(self._pipe, 1 << 18)
        except BlockingIOError:
            return False
        self.output.take(data)
        return True

    def wait(self, deadline):
        """Sit until the command is over; its exit code (negative: a signal's number), None once `deadline` has passed.

        Raises what the poller raises when the daemon wants this run to end.
        """
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            ready = self.poller.wait(left if LINUX else min(left or 0.02, 0.02))
            if self._pipe in ready:
                self.drain()
            code = self.ended() if not LINUX or self._watch in ready else None
            if code is not None:
                return code

    def ended(self):
        """The exit code if the command is over; nothing it started lives on after that."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self._forget()
        return os.waitstatus_to_exitcode(status)

    def kill(self):
        """End the command, if one runs, and all it started."""
        if self.pid:
            _kill(os.killpg, self.pid)
            os.kill(self.pid, signal.SIGKILL)  # the group may not have been made yet
            os.waitpid(self.pid, 0)
            self._forget()

    def _forget(self):
        group, self.pid = self.pid, 0
        if self._watch >= 0:
            self.poller.drop(self._watch)
            os.close(self._watch)
            self._watch = -1
        self.ending()
        self._reap(group)
        while self.drain():
            pass
        self.output.finish()

    def _reap(self, group):
        """Kill and collect whatever the command left running: children, and daemons that became ours."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid:
                continue
            if self._whole:
                _kill(os.kill, -1)
            else:
                _kill(os.killpg, group)
                for orphan in children():
                    _kill(os.kill, orphan)
            while self.drain():
                pass
            time.sleep(0.0005)


_HANDLED = [signal.SIGPIPE, signal.SIGINT, signal.SIGTERM]


def _kill(action, target):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        action(target, signal.SIGKILL)


def children():
    """Process ids whose parent we are (Linux without a process-id namespace, as their subreaper)."""
    own = os.getpid()
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    found = []
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                if int(stat.read().rpartition(b")")[2].split()[1]) == own:
                    found.append(int(name))
        except (OSError, IndexError, ValueError):
            continue
    return found


def _words(error, name, folder):
    if folder and not os.path.isdir(folder):
        return f"chdir {folder}: no such file or directory"
    if error.errno == errno.ENOENT:
        return f"fork/exec {name}: no such file or directory"
    return f"fork/exec {name}: {os.strerror(error.errno).lower() if error.errno else error}"
