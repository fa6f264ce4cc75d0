"""Where a subscription stands on its partitions: what was taken, heard, committed, and is full."""

from collections.abc import Collection, Mapping

from actalog_bus.ports import Record
from actalog_bus.share import Share
from actalog_bus.watermark import Stamp

Partition = tuple[str, int]
BUFFER_BYTES = 64 * 1_048_576  # beside it lies what one poll has fetched
SPAN = 20_000  # finished offsets remembered behind one that takes long, per partition


class Positions:
    """Of one subscription. About `buffer` records or `buffer_bytes` are held, split evenly between
    partitions, so that one hot lane fills its own partition's share and no other."""

    def __init__(self, *, buffer: int = 4_096, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._buffer, self._buffer_bytes = buffer, buffer_bytes
        self._shares: dict[Partition, Share] = {}
        self._paused: set[Partition] = set()
        self._anew: set[Partition] = set()

    def _opened(self, record: Record) -> Share | None:
        """Its partition, where the record's offset is open now; None: it is known."""
        where = (record.topic, record.partition)
        share = self._shares.get(where)
        if share is None:
            share = self._shares[where] = Share()
        if self.known(record):
            return None
        share.mark.take(record.offset, record.timestamp_ms)
        share.took(record)
        return share

    def keep(self, partitions: Collection[Partition]) -> None:
        """After a rebalance: what is not in `partitions` is lost.

        What is being heard goes on (a revoked partition cancels nothing); what still waits is
        heard by the next owner. Kept partitions keep their lanes, and what is fetched again from
        the committed offset is known.
        """
        for partition in self._shares.keys() - set(partitions):
            self._shares.pop(partition).lost = True

    def resume(self, partition: Partition, stamp: Stamp) -> None:
        """The last record before what was committed: fetched again, it tells whether the log is
        still the same."""
        self._shares.setdefault(partition, Share()).resume(stamp)

    def reads_from(self, partition: Partition, offset: int) -> None:
        """No record before that is asked for."""
        self._shares.setdefault(partition, Share()).floor = offset

    def forget(self, partition: Partition) -> None:
        """Another log stands where this one was. What was taken of the old one is still heard:
        nobody else has it any more."""
        self._anew.discard(partition)
        self._shares.pop(partition, None)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has taken these offsets."""
        for partition, offset in offsets.items():
            if partition in self._shares:
                self._shares[partition].committed = offset

    def acknowledged(self) -> dict[Partition, int | None]:
        """Of each partition that is held, the offset that the broker took last."""
        return {where: share.committed for where, share in self._shares.items()}

    def heard_upto(self, partition: Partition) -> int | None:
        """Every offset below it is heard, settled or buried; None: the partition is not ours."""
        share = self._shares.get(partition)
        return share.mark.offset if share is not None else None

    def known(self, record: Record) -> bool:
        """Whether the record was taken before. One that cannot be what was taken at its offset is
        of another log: nothing is taken of that partition until it is forgotten."""
        where = (record.topic, record.partition)
        share = self._shares.get(where)
        if share is not None and share.knows(record) and share.of_another_log(record):
            self._anew.add(where)
        return where in self._anew or (share is not None and share.knows(record))

    def began_anew(self) -> set[Partition]:
        """Partitions of which a record came that is none of the log we know. They take nothing
        until they are forgotten."""
        self._anew &= self._shares.keys()
        return set(self._anew)

    def last(self, partition: Partition) -> int | None:
        """The last offset taken; None before the first."""
        share = self._shares.get(partition)
        return share.last.offset if share is not None and share.last is not None else None

    def stamp(self, partition: Partition) -> Stamp | None:
        """The last record before what `commits` says; None when it was not we who heard it."""
        share = self._shares.get(partition)
        return share.mark.done or share.resumed if share is not None else None

    def commits(self) -> dict[Partition, int]:
        """Offsets that may be committed and have not been."""
        marks = {where: (share.mark.offset, share) for where, share in self._shares.items()}
        return {
            where: offset
            for where, (offset, share) in marks.items()
            if offset is not None and offset != share.committed
        }

    def paused(self) -> set[Partition]:
        """Partitions that must not be fetched now: from their full share until half of it."""
        parts = max(1, len(self._shares))
        most, most_bytes = max(1, self._buffer // parts), self._buffer_bytes // parts
        self._paused &= self._shares.keys()
        for partition, share in self._shares.items():
            filled = max(
                share.unheard / most, share.held_bytes / most_bytes, share.mark.span / SPAN
            )
            if filled >= 1:
                self._paused.add(partition)
            elif filled <= 0.5:
                self._paused.discard(partition)
        return set(self._paused)
