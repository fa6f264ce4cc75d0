"""The states of runs as mermaid diagrams, drawn from the deciders so that they cannot age.

`python -m actalog_conductor.diagram > docs/run-states.md`
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from actalog_conductor.agent_states import Finished, Identity, NotStarted
from actalog_conductor.kinds import KINDS, Kind, State
from actalog_conductor.scenes import DEFINITIONS, accepted, heards
from actalog_contracts.definitions import AgentDefinition

WHO = Identity(tenant_id="default", run_no=1, run_id="r", session_id="s", turn=1, user_id="u")
ROUNDS = 12  # more than the longest way through a run of the scenes

Transition = tuple[str, str, str]  # from, event, to


def transitions(kind: Kind, name: str) -> list[Transition]:
    """Every change of state that a decision can make, found by letting runs hear everything."""
    found: dict[Transition, None] = {}
    for definition in DEFINITIONS[name]:
        for before, label, after in _walked(kind, name, definition):
            found[_name(before), label, _name(after)] = None
    return sorted(found, key=_order)


def _walked(
    kind: Kind, name: str, definition: AgentDefinition
) -> Iterable[tuple[State, str, State]]:
    states: dict[str, State] = {"": kind.initial(WHO, definition)}
    for _ in range(ROUNDS):
        reached: dict[str, State] = {}
        for state in states.values():
            for heard in heards(name, kind, state, accepted(name)):
                events = kind.decide(state, heard)
                if not events:
                    continue
                after = reduce(kind.evolve, events, state)
                yield state, _label([event.type for event in events]), after
                if not isinstance(after, Finished):
                    reached[_shape(after)] = after
        states = reached


def _label(types: Sequence[str]) -> str:
    """The event that says it best: the last of a decision, or what was heard where it stays."""
    told = [one.removesuffix(".v1") for one in types]
    return told[0] if told[-1] in ("tool.called", "tool.failed") else told[-1]


def _shape(state: State) -> str:
    """States that differ only in what they have counted are walked once."""
    told = [type(state).__name__]
    told += [str(len(getattr(state, one, ()))) for one in ("running", "awaiting")]
    told += [str(getattr(state, one, "")) for one in ("step", "asked", "error")]
    facts = getattr(state, "facts", None)
    return "/".join([*told, str(facts.turn if facts else "")])


def _name(state: State) -> str:
    if isinstance(state, NotStarted):
        return "[*]"
    return state.status if isinstance(state, Finished) else type(state).__name__


STATES = (
    "[*]", "Waiting", "Checking", "Gathering", "Thinking", "Acting", "Paused",
    "Remembering", "Consulting", "Reviewing", "completed", "failed", "blocked", "cancelled",
)  # fmt: skip
HEADINGS: Mapping[str, str] = {
    "agent": "An agent's run, from its task to its end.",
    "memory": "A memory run: the child that remembers, started with its parent's end.",
}


def _order(one: Transition) -> tuple[int, int, str]:
    before, label, after = one
    return STATES.index(before), STATES.index(after), label


def mermaid(kind: Kind, name: str) -> str:
    """One diagram; events that lead the same way share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, label, after in transitions(kind, name):
        arrows.setdefault((before, after), []).append(label)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {a} --> {b}: {', '.join(labels)}" for (a, b), labels in arrows.items()]
    ends = [one for one in STATES if one.islower() and any(b == one for _, b in arrows)]
    return "\n".join([*lines, *[f"    {end} --> [*]" for end in ends], "```"])


def document() -> str:
    """`docs/run-states.md`."""
    parts = [
        "# The states of a run",
        (
            "Drawn from the deciders by `python -m actalog_conductor.diagram`; a test compares it "
            "with the code.\nAn arrow names the event that decides it. Cancelling, a deadline, and "
            "data that cannot be kept end a run from every state."
        ),
    ]
    for name, kind in KINDS.items():
        parts += [f"## {name}", HEADINGS[name], mermaid(kind, name)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(document(), end="")
