"""The diagram in the docs is what the deciders do."""

from pathlib import Path

from actalog_conductor import agent_run, agent_states, diagram, memory_run
from actalog_conductor.kinds import KINDS

DOCS = Path(__file__).parents[3] / "docs" / "run-states.md"


def test_the_diagram_in_the_docs_is_drawn_from_this_code():
    assert DOCS.read_text() == diagram.document()


def test_every_state_can_be_reached():
    told = {
        name: {after for _, _, after in diagram.transitions(kind, name)}
        for name, kind in KINDS.items()
    }
    ends = {"completed", "failed", "cancelled"}
    agents = {one.__name__ for one in agent_states.Unfinished.__args__}
    assert told["agent"] == agents | ends | {"blocked"}
    memories = {one.__name__ for one in memory_run.Unfinished.__args__}
    assert told["memory"] == memories | ends | {"blocked"}


def test_a_run_of_each_kind_is_walked_by_its_decider():
    assert KINDS["agent"].decide is agent_run.decide
    assert KINDS["memory"].decide is memory_run.decide
