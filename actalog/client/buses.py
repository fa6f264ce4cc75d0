"""A bus of the client's own: nothing that it hears is another's."""

from dataclasses import replace
from typing import TYPE_CHECKING

from actalog_bus.ports import Bus

if TYPE_CHECKING:
    from actalog.platform import Platform


def same_bus(platform: "Platform") -> Bus:
    """Another bus on the platform's broker."""
    from actalog_bus.memory import MemoryBus

    bus = platform.on.bus
    if isinstance(bus, MemoryBus):
        return MemoryBus(broker=bus.broker)
    from actalog_bus.kafka import KafkaBus

    if isinstance(bus, KafkaBus):
        return KafkaBus(replace(bus.settings, instance=None))
    raise TypeError(f"{bus!r}: only a bus in memory or on Kafka can be shared")


def kafka_bus(bootstrap: str | None) -> tuple[Bus, str]:
    """A bus on Kafka and the prefix of its topics.

    Raises:
        SettingMissing: nobody told where Kafka is.
    """
    from actalog.cli.reach import Reach
    from actalog_bus.kafka import KafkaBus

    reach = Reach.from_env()
    told = reach if bootstrap is None else replace(reach, kafka=bootstrap)
    return KafkaBus(told.kafka_settings()), reach.settings.topic_prefix
