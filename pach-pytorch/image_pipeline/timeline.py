"""What each thread did when: a trace that Perfetto (https://ui.perfetto.dev) opens, and the same as one picture."""

from __future__ import annotations

import json
import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import NamedTuple
from xml.sax.saxutils import escape

COLOURS = {
    "read": "#d9822b",
    "decode": "#2f6db5",
    "resample": "#3b9c6b",
    "copy": "#3b9c6b",
    "idle": "#e8e8e8",
    "wait for batch": "#c94f4f",
    "use batch": "#8a63b8",
}


class Event(NamedTuple):
    """A thread did `name` from start to end, in nanoseconds of perf_counter_ns."""

    thread: str
    name: str
    start: int
    end: int
    arguments: dict[str, int]


class Stages:
    """One thread's own log: begin a task, then mark each stage as it ends."""

    def __init__(self, thread: str, events: list[Event]):
        self._thread, self._events = thread, events
        self._last, self._arguments = 0, {}
        self.batch = 0

    def begin(self, image: int) -> None:
        self._arguments = {"batch": self.batch, "image": image}
        self._last = perf_counter_ns()

    def mark(self, stage: str) -> None:
        now = perf_counter_ns()
        self._events.append(Event(self._thread, stage, self._last, now, self._arguments))
        self._last = now

    def marks(self, stages: Sequence[tuple[str, int]]) -> None:
        """Mark stages that took so many nanoseconds, the last of which ends now."""
        end = perf_counter_ns()
        for stage, took in reversed(stages):
            start = max(end - took, self._last)
            self._events.append(Event(self._thread, stage, start, end, self._arguments))
            end = start

    def idle(self, started: int) -> None:
        self._events.append(Event(self._thread, "idle", started, perf_counter_ns(), {}))


class Trace:
    """Events of all threads. Every thread appends to its own list, so that tracing makes no thread wait."""

    def __init__(self) -> None:
        self._by_thread: dict[str, list[Event]] = {}
        self._lock = threading.Lock()

    def _list(self, thread: str) -> list[Event]:
        with self._lock:
            return self._by_thread.setdefault(thread, [])

    def stages(self, thread: str) -> Stages:
        return Stages(thread, self._list(thread))

    def add(self, thread: str, name: str, start: int, end: int, **arguments: int) -> None:
        self._list(thread).append(Event(thread, name, start, end, arguments))

    def events(self) -> list[Event]:
        """All events, by thread name and time."""
        return [
            event
            for thread in sorted(self._by_thread)
            for event in sorted(self._by_thread[thread], key=lambda e: e.start)
        ]

    def busy(self) -> dict[str, float]:
        """The share of the traced time that each thread worked: neither idle nor waiting."""
        events = self.events()
        if not events:
            return {}
        start, end = min(event.start for event in events), max(event.end for event in events)
        spent: dict[str, int] = defaultdict(int)
        for event in events:
            spent[event.thread] += 0 if event.name in ("idle", "wait for batch") else event.end - event.start
        return {thread: work / max(end - start, 1) for thread, work in spent.items()}

    def write(self, path: Path) -> None:
        """Write the trace-event JSON that Perfetto opens; times in microseconds from the first event."""
        events = self.events()
        start = min((event.start for event in events), default=0)
        threads = {thread: number for number, thread in enumerate(sorted(self._by_thread), 1)}
        rows: list[dict] = [
            {"ph": "M", "pid": 1, "tid": number, "name": "thread_name", "args": {"name": thread}}
            for thread, number in threads.items()
        ]
        rows += [
            {
                "ph": "X",
                "pid": 1,
                "tid": threads[event.thread],
                "name": event.name,
                "ts": (event.start - start) / 1000,
                "dur": (event.end - event.start) / 1000,
                "args": event.arguments,
            }
            for event in events
        ]
        path.write_text(json.dumps({"traceEvents": rows, "displayTimeUnit": "ms"}))

    def picture(self, title: str, width: int = 1200) -> str:
        """The trace as an SVG page: a line for each thread, time to the right, a colour for each stage."""
        events = self.events()
        start = min((event.start for event in events), default=0)
        end = max((event.end for event in events), default=1)
        left, right, top, line, gap = 110, 90, 64, 30, 10
        scale = (width - left - right) / max(end - start, 1)
        threads = sorted(self._by_thread)
        height = top + len(threads) * (line + gap) + 50
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="12" shape-rendering="crispEdges">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="12" y="24" font-size="16">{escape(title)}</text>',
        ]
        x = left
        for name in COLOURS:
            if any(event.name == name for event in events):
                out.append(f'<rect x="{x}" y="38" width="12" height="12" fill="{COLOURS[name]}" stroke="#888"/>')
                out.append(f'<text x="{x + 16}" y="49">{name}</text>')
                x += 30 + 8 * len(name)
        busy = self.busy()
        for row, thread in enumerate(threads):
            y = top + row * (line + gap)
            out.append(f'<text x="12" y="{y + 20}">{escape(thread)}</text>')
            out.append(f'<rect x="{left}" y="{y}" width="{width - left - right}" height="{line}" fill="#f6f6f6"/>')
            out.append(f'<text x="{width - right + 8}" y="{y + 20}">{busy[thread]:.0%} busy</text>')
            for event in self._by_thread[thread]:
                x, wide = left + (event.start - start) * scale, (event.end - event.start) * scale
                if wide >= 0.05:
                    out.append(
                        f'<rect x="{x:.2f}" y="{y}" width="{wide:.2f}" height="{line}" '
                        f'fill="{COLOURS.get(event.name, "#555")}"><title>{event.name} '
                        f"{(event.end - event.start) / 1e6:.2f} ms {event.arguments or ''}</title></rect>"
                    )
        y = top + len(threads) * (line + gap)
        step = tick_step((end - start) / 1e6)
        for tick in range(int((end - start) / 1e6 / step) + 1):
            x = left + tick * step * 1e6 * scale
            out.append(f'<line x1="{x:.2f}" y1="{top - 4}" x2="{x:.2f}" y2="{y}" stroke="#00000022"/>')
            out.append(f'<text x="{x:.2f}" y="{y + 16}" text-anchor="middle">{tick * step:g} ms</text>')
        return "\n".join([*out, "</svg>\n"])


def tick_step(length: float) -> float:
    """The distance of about ten marks on an axis of some length: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(length, 1e-6) / 10))
    return next(power * step for step in (1, 2, 5, 10) if length <= 10.5 * power * step)
