"""What pachd's jobs are doing while a command waits for them, told on stderr.

On a terminal one line is rewritten in place; elsewhere each change of a job's state is a line of its own.
"""

import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from python_pachyderm import Client

INTERVAL = 0.4
FINAL = {"SUCCESS", "FAILURE", "KILLED", "UNRUNNABLE"}


class Watch:
    """`with Watch(client):` tells of the jobs that change while the body runs."""

    def __init__(self, client: "Client", stream: TextIO | None = None, interval: float = INTERVAL) -> None:
        self.client = client
        self.stream = stream or sys.stderr  # the one of now: a command run in this process replaces sys.stderr
        self.interval = interval
        self.live = self.stream.isatty()
        self.shown = ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> "Watch":
        self.started = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        if self.live and self.shown:
            self._write("\r\x1b[K")

    def _watch(self) -> None:
        while not self.over.wait(self.interval):
            try:
                text = describe(self.client)
            except Exception:  # pachd may be going away; the command that waits for it says so itself
                continue
            if self.live:
                seconds = time.monotonic() - self.started
                self._write(f"\r\x1b[K   {text}   {seconds:.0f}s" if text else "\r\x1b[K")
            elif text and text != self.shown:
                self._write(f"   {text}\n")
            self.shown = text

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def describe(client: "Client") -> str:
    """The unfinished jobs of the newest job set in a line, `train: 0 of 1 datums · inference: waiting`; "" if none."""
    from python_pachyderm.proto.v2.pps.pps_pb2 import JobState

    job_set = next(iter(client.list_job(number=1)), None)
    words = []
    for job in job_set.jobs if job_set else ():
        state = JobState.Name(job.state).removeprefix("JOB_")
        if state in FINAL:
            continue
        done = job.data_processed + job.data_skipped + job.data_failed + job.data_recovered
        count = f"{done} of {job.data_total} datums" if job.data_total else "waiting"
        words.append(f"{job.job.pipeline.name}: {count}")
    return " · ".join(words)
