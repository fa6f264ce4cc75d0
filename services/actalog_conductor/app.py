"""Topic to handler."""

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen
from actalog_conductor.acceptance import Acceptance
from actalog_conductor.handlers import ConductorHandlers, lane
from actalog_conductor.hearing import Hearing
from actalog_conductor.publish import Publisher
from actalog_contracts import topics
from actalog_core.clock import Clock, system_clock
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.ports import RunLog


def build_app(*, bus: Bus, log: RunLog, settings: Settings, clock: Clock = system_clock) -> Service:
    """The conductor over a bus and a log; whoever runs it starts the bus last."""
    prefix = settings.topic_prefix
    hearing = Hearing(
        log=log,
        postman=Postman(bus, prefix=prefix, service="conductor"),
        publisher=Publisher(bus, prefix=prefix),
        clock=clock,
    )
    handlers = ConductorHandlers(
        bus=bus, log=log, hearing=hearing, acceptance=Acceptance(log, hearing), prefix=prefix
    )
    bus.listen(
        Listen(
            topics=[topics.full_name(one, prefix) for one in (topics.TASKS, topics.REPLIES)],
            group=f"{prefix}.conductor",
            hear=handlers.hear,
            lane=lane,
        )
    )
    return Service("conductor", [])
