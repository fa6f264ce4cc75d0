"""What a recovery did, and what cannot be known any more."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Back:
    """A run of which events were brought back."""

    tenant_id: str
    run_id: str
    events: int
    new: bool  # the database did not know it at all


@dataclass(frozen=True, slots=True)
class Lost:
    """A run that goes on no more: the world has seen events that nobody has any more."""

    tenant_id: str
    run_id: str
    from_seq: int
    why: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A tool call that may have run. What it declares decides what happens next."""

    tenant_id: str
    run_id: str
    call_id: str
    tool: str
    effect: str


@dataclass(frozen=True, slots=True)
class Rewound:
    """A partition that is heard again from `to` on. `gone`: how many records of that are not on
    the topic any more."""

    topic: str
    partition: int
    committed: int
    to: int
    gone: int


@dataclass(kw_only=True)
class Report:
    """`dry_run`: nothing of it was done."""

    reasons: list[str]
    dry_run: bool = False
    incarnation: int = 0
    database_time: str | None = None  # of its last mark
    brought_back: list[Back] = field(default_factory=list[Back])
    answers: int = 0  # of calls, taken from the topic of replies
    rewound: list[Rewound] = field(default_factory=list[Rewound])
    lost: list[Lost] = field(default_factory=list[Lost])
    may_have_run: list[Doubt] = field(default_factory=list[Doubt])
    models_asked_again: int = 0
    unreadable: list[str] = field(default_factory=list[str])  # open runs, and why

    @property
    def whole(self) -> bool:
        """Nothing is in doubt and nothing is gone."""
        gone = any(one.gone for one in self.rewound)
        return not (self.lost or self.may_have_run or self.unreadable or gone)

    def lines(self) -> list[str]:
        """For a person."""
        done = "would be" if self.dry_run else "was"
        events = sum(one.events for one in self.brought_back)
        new = sum(one.new for one in self.brought_back)
        told = [f"why: {one}" for one in self.reasons]
        told += [
            f"{events} events of {len(self.brought_back)} runs ({new} unknown here) {done} brought back",
            f"{self.answers} answers {done} taken from the replies",
        ]
        told += [
            f"{one.topic}/{one.partition} {done} rewound from {one.committed} to {one.to}"
            + (f"; {one.gone} records before that are gone" if one.gone else "")
            for one in self.rewound
        ]
        if not self.dry_run:
            told.append(f"incarnation {self.incarnation} is open")
        return [*told, *self._unknown()]

    def _unknown(self) -> list[str]:
        told = [
            f"lost: run {one.run_id} from event {one.from_seq} on: {one.why}" for one in self.lost
        ]
        told += [
            f"may have run: call {one.call_id} of run {one.run_id}, {one.tool} ({one.effect})"
            for one in self.may_have_run
        ]
        told += [f"not looked at: {one}" for one in self.unreadable]
        since = self.database_time or "ever"
        told.append(
            f"not known: what was accepted over HTTP after {since} and never reached Kafka, and"
            " who was told of it"
        )
        return told
