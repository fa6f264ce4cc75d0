"""Topic to handler."""

import time

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen
from actalog_conductor.acceptance import Acceptance
from actalog_conductor.addresses import Addresses
from actalog_conductor.handlers import ConductorHandlers, lane
from actalog_conductor.heard_marks import HeardMarks
from actalog_conductor.hearing import Hearing
from actalog_conductor.live import Runs
from actalog_conductor.outside import Outside
from actalog_conductor.publish import Publisher
from actalog_conductor.refusals import Refusals
from actalog_conductor.supervisor import Supervisor
from actalog_conductor.telling import Teller
from actalog_conductor.waking import Waking
from actalog_contracts import topics
from actalog_core.clock import Clock, Monotonic, system_clock
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_core.sure_clock import SureClock
from actalog_log.ports import RunLog


def build_app(
    *, bus: Bus, log: RunLog, settings: Settings, clock: Clock = system_clock,
    monotonic: Monotonic = time.monotonic,
) -> Service:  # fmt: skip
    """The conductor over a bus and a log; whoever runs it starts the bus last."""
    prefix = settings.topic_prefix
    runs, postman = Runs(log, monotonic=monotonic), Postman(bus, prefix=prefix, service="conductor")
    publisher = Publisher(bus, log, prefix=prefix)
    teller = Teller(log=log, runs=runs, postman=postman, publisher=publisher)
    sure = SureClock(clock)
    hearing = Hearing(log=log, runs=runs, teller=teller, clock=clock, sure=sure)
    addresses = Addresses(
        reply_topics=settings.reply_topics, echo_headers=settings.echo_headers, prefix=prefix
    )
    refusals = Refusals(bus, addresses, prefix=prefix)
    outside = Outside(log, hearing, Acceptance(log, hearing, addresses), refusals)
    tasks, replies = (topics.full_name(one, prefix) for one in (topics.TASKS, topics.REPLIES))
    handlers = ConductorHandlers(log, hearing, outside, tasks, bus.near, clock, monotonic)
    supervisor = Supervisor(
        log=log, waking=Waking(log, runs, teller, postman, sure), hear_row=outside.hear_row,
        hear_answer=handlers.hear_answer, bury_row=outside.bury_row, lagging=handlers.lagging,
        clock=sure, monotonic=monotonic, lease_s=settings.lease_ms / 1_000,
        hears_itself=lambda: bus.near(replies),
    )  # fmt: skip
    group = f"{prefix}.conductor"
    marks = HeardMarks(log, group, supervisor.ask_again)

    def began_anew() -> None:
        marks.broker_began_anew()
        supervisor.broker_began_anew()

    bus.listen(
        Listen(
            topics=[tasks, replies], group=group, hear=handlers.hear, lane=lane,
            assigned=runs.forget, began_anew=began_anew, buried=refusals.buried,
            marking=marks.note, patient=True, counted=[tasks], outside=True,
        )
    )  # fmt: skip
    return Service("conductor", [supervisor])
