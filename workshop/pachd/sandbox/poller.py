"""The one place where the sandbox waits: for the daemon, for user code, for time."""

import marshal
import os
import select
import time

PATIENCE = 0.025  # seconds that an event may wait for company before it is sent
FULL = 256 << 10  # bytes of events that are sent at once


class Closed(Exception):
    """The daemon is gone."""


class Stopped(Exception):
    """The daemon wants the current job to end."""


class Poller:
    """Frames are a four-byte length and a marshalled value: commands come in, lists of events go out."""

    def __init__(self, commands, events):
        self._poll = select.poll()
        self._commands, self._events = commands, events
        self._partial = b""
        self._outgoing, self._weight, self._since = [], 0, 0.0
        self._handlers = {}
        self.before_sending = list  # events that must go first: where chunks lie
        self.received = lambda command: None  # told of each command as it arrives
        self.interrupted = lambda: False  # whether what is running now must end
        os.set_blocking(commands, False)
        self.add(commands)

    def add(self, number, handler=None):
        self._poll.register(number, select.POLLIN)
        if handler is not None:
            self._handlers[number] = handler

    def drop(self, number):
        self._poll.unregister(number)
        self._handlers.pop(number, None)

    def emit(self, event, weight=200):
        if not self._outgoing:
            self._since = time.monotonic()
        self._outgoing.append(event)
        self._weight += weight
        if self._weight > FULL or time.monotonic() - self._since > PATIENCE:
            self.flush()

    def retract(self, event):
        """Take the last event back if it has not gone out: what comes now says more."""
        if self._outgoing and self._outgoing[-1] == event:
            self._outgoing.pop()

    def flush(self):
        if not self._outgoing:
            return
        events = self.before_sending() + self._outgoing
        self._outgoing, self._weight = [], 0
        data = marshal.dumps(events)
        data = len(data).to_bytes(4, "big") + data
        at = 0
        while at < len(data):
            try:
                at += os.write(self._events, data[at : at + (1 << 20)])
            except BrokenPipeError:
                raise Closed from None

    def wait(self, timeout=None):
        """The file numbers that became readable; none after a command or `timeout` seconds. Events go out meanwhile."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            limit = end
            if self._outgoing:
                limit = self._since + PATIENCE if end is None else min(end, self._since + PATIENCE)
            left = None if limit is None else max(0.0, limit - time.monotonic()) * 1000 + 0.5
            ready = set()
            told = False
            for number, _ in self._poll.poll(left):
                if number == self._commands:
                    self._read()
                    told = True
                elif number in self._handlers:
                    self._handlers[number]()
                    ready.add(number)
                else:
                    ready.add(number)
            if self._outgoing and time.monotonic() - self._since >= PATIENCE:
                self.flush()
            if told and self.interrupted():
                raise Stopped
            if ready or told or (end is not None and time.monotonic() >= end):
                return ready

    def _read(self):
        while True:
            try:
                data = os.read(self._commands, 1 << 20)
            except BlockingIOError:
                break
            if not data:
                raise Closed
            self._partial += data
            if len(data) < 65536:
                break
        view = self._partial
        at = 0
        while len(view) - at >= 4:
            size = int.from_bytes(view[at : at + 4], "big")
            if len(view) - at - 4 < size:
                break
            command = marshal.loads(view[at + 4 : at + 4 + size])
            at += 4 + size
            self.received(command)
        self._partial = view[at:]
