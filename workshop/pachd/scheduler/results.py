"""What became of the datums that ran in a job. Records are kept encoded: a tenth of their size as objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from workshop.pachd.pps import datums as records
from workshop.pachd.pps.datums import DatumState, Record, Stats
from workshop.pachd.pps.records import Counters


class Results:
    """Records by datum id, in the order in which the datums were over; their counts and sums as they come in."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.encoded: dict[bytes, bytes] = {}
        self._states: Counter[DatumState] = Counter()
        self._counted: Counter[DatumState] = Counter()

    def __len__(self) -> int:
        return len(self.encoded)

    def __contains__(self, identity: bytes) -> bool:
        return identity in self.encoded

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.encoded)

    def __getitem__(self, identity: bytes) -> Record:
        return records.decode(self.encoded[identity])

    def add(self, identity: bytes, record: Record) -> None:
        self.encoded[identity] = records.encode(record)
        self.stats.add(record.stats)
        self._states[record.state] += 1
        self._counted[_counts_as(record)] += 1

    @property
    def settled(self) -> bool:
        """Whether a later job may take all of them as they are."""
        return self._states[DatumState.SUCCESS] == len(self)

    def counters(self, skipped: int, total: int, early: Iterable[bytes] = ()) -> Counters:
        """The counters of the job, without the datums that do not count yet."""
        counted = self._counted - Counter(_counts_as(self[identity]) for identity in early)
        return Counters(
            processed=counted[DatumState.SUCCESS],
            skipped=skipped,
            total=total,
            failed=counted[DatumState.FAILED],
            recovered=counted[DatumState.RECOVERED],
        )


def _counts_as(record: Record) -> DatumState:
    """What a try after a recovered one did well is a success."""
    return DatumState.SUCCESS if record.processed else record.state
