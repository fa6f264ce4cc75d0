"""Who may read and write which topic, as commands of Apache Kafka's own tools."""

from actalog.names import NAMES
from actalog_contracts import topics


def acls(*, prefix: str, bootstrap: str) -> list[str]:
    """From the one table of topics: producers write, consumers read, each with its group."""
    tool = f"kafka-acls.sh --bootstrap-server {bootstrap} --add"
    made: list[str] = []
    for topic in topics.TOPICS:
        name = topics.full_name(topic, prefix)
        for who in _ours(topic.producers):
            made.append(f"{tool} --allow-principal User:{prefix}-{who} --producer --topic {name}")
        for who in _ours(topic.consumers):
            made.append(
                f"{tool} --allow-principal User:{prefix}-{who} --consumer --topic {name}"
                f" --group {prefix}.{who}"
            )
            if topic.dead_letters:
                dead = topics.dlq_name(topic, prefix)
                made.append(
                    f"{tool} --allow-principal User:{prefix}-{who} --producer --topic {dead}"
                )
    heard = [topics.full_name(one, prefix) for one in (topics.TASKS, topics.REPLIES)]
    for who in NAMES:  # whether the database is as old as what was heard (protocol 15)
        where = " ".join(f"--topic {name}" for name in heard)
        may = f"{tool} --allow-principal User:{prefix}-{who} --operation Describe"
        made += [f"{may} --group {prefix}.conductor", f"{may} {where}"]
    return made


def _ours(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in NAMES]
