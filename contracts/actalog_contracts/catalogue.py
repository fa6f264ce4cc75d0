"""All that is published: every message of the topics, every event of the log, definitions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel

from actalog_contracts import definitions, runs
from actalog_contracts.base import FromOutside
from actalog_contracts.tasks import PublishedEvent
from actalog_contracts.topics import EVENTS, TOPICS, Topic

Model: TypeAlias = type[BaseModel]
Direction = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A type with the class that has its fields, and the topics that carry it.

    `inbound` comes from other systems and is read strictly; `outbound` may grow optional fields.
    `in_envelope`: an event, which travels as the payload of a PublishedEvent.
    """

    type: str
    model: Model
    direction: Direction
    topics: tuple[Topic, ...] = ()
    in_envelope: bool = False


def type_name(model: Model) -> str:
    """What the literal `type` of a class says."""
    return str(model.model_fields["type"].default)


def catalogue() -> Mapping[str, Entry]:
    """Every entry by its type, in the order of the topics."""
    entries: dict[str, Entry] = {}
    for topic in TOPICS:
        for model in topic.messages:
            if model is not PublishedEvent:
                _add(entries, model, topic)
    for event in get_args(runs.RunEvent):
        kind = type_name(event)
        entries[kind] = Entry(kind, event, "outbound", (EVENTS,), in_envelope=True)
    agent = definitions.AgentDefinition
    entries[type_name(agent)] = Entry(type_name(agent), agent, "outbound")
    return entries


def _add(entries: dict[str, Entry], model: Model, topic: Topic) -> None:
    kind = type_name(model)
    seen = entries[kind].topics if kind in entries else ()
    direction: Direction = "inbound" if issubclass(model, FromOutside) else "outbound"
    entries[kind] = Entry(kind, model, direction, (*seen, topic))
