"""How far topics were heard, in the database before the broker is told (protocol 15)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from actalog_log.ports import RunLog

Partition = tuple[str, int]


@dataclass
class HeardMarks:
    """Marks go up, and back once with a broker that lost its data: else those of the old one would
    be ahead of everything that the new one is told, and a database put back by an older one not
    be noticed. Nothing is marked, and so committed, before what went with it is due (`ask_again`):
    where whoever noticed dies first, the group knows nothing yet, and the next notices as well."""

    log: RunLog
    group: str
    ask_again: Callable[[], Awaitable[None]]
    _behind: bool = False  # some marks may be those of a broker that is gone
    _followed: set[Partition] = field(default_factory=set[Partition])

    def broker_began_anew(self) -> None:
        """Each partition's next mark counts, however low it is."""
        self._behind, self._followed = True, set()

    async def note(self, offsets: Mapping[Partition, int]) -> None:
        """What was heard up to these offsets will be committed.

        Raises:
            Transient: the database does not answer.
        """
        await self.ask_again()
        back = {at: offset for at, offset in offsets.items() if at not in self._followed}
        if not self._behind or not back:
            return await self.log.mark_heard(self.group, offsets)
        followed = self._followed  # another loss meanwhile begins another set
        await self.log.mark_heard(self.group, back, back=True)
        if up := {at: offset for at, offset in offsets.items() if at not in back}:
            await self.log.mark_heard(self.group, up)
        followed.update(back)
