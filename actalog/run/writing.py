"""A message while it is being written: its text is told once, and from its start.

Deltas come early, late, twice, with gaps, or never. Two attempts are never spliced (protocol 8).
"""

from dataclasses import dataclass, field

from actalog_contracts.streams import Delta


@dataclass
class _Attempt:
    """What was told of one attempt at one message."""

    call_id: str
    epoch: int
    text: str = ""
    reasoning: str = ""
    broken: bool = False  # another attempt began: the rest comes whole

    @property
    def silent(self) -> bool:
        return not (self.text or self.reasoning)

    def take(self, delta: Delta) -> str:
        """What is new in it; nothing where text before it is missing."""
        have = self.text if delta.kind == "text" else self.reasoning
        if delta.offset > len(have):
            return ""
        new = delta.text[len(have) - delta.offset :]
        if delta.kind == "text":
            self.text += new
        else:
            self.reasoning += new
        return new


@dataclass
class Writing:
    """The messages of a run, one after the other."""

    _now: _Attempt | None = None
    _whole: set[str] = field(default_factory=set[str])

    def hear(self, delta: Delta) -> str:
        """The text or reasoning to tell now; late deltas and gaps tell nothing."""
        if delta.call_id in self._whole:
            return ""
        now = self._now
        if now is None or now.call_id != delta.call_id or (now.silent and delta.epoch > now.epoch):
            now = self._now = _Attempt(delta.call_id, delta.epoch)
        now.broken = now.broken or delta.epoch > now.epoch
        return "" if now.broken or delta.epoch < now.epoch else now.take(delta)

    def answered(self, call_id: str) -> None:
        """The whole message is known: its deltas mean nothing from now on."""
        self._whole.add(call_id)

    def rest(self, text: str, reasoning: str) -> tuple[str, str]:
        """What is left to tell of the whole message, text and reasoning."""
        before, self._now = self._now or _Attempt("", 0), None
        return (
            _rest(before.text, text, before.broken),
            _rest(before.reasoning, reasoning, before.broken),
        )


def _rest(told: str, whole: str, broken: bool) -> str:
    """Nothing where another attempt wrote another text: the whole answer comes with the end."""
    if told and (broken or not whole.startswith(told)):
        return ""
    return whole[len(told) :]
