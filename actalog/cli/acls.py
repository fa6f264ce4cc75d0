"""Who may read and write which topic, as commands of Apache Kafka's own tools."""

from actalog.names import NAMES
from actalog_contracts import topics


def acls(*, prefix: str, bootstrap: str, reply_topics: str = "") -> list[str]:
    """From the one table of topics: producers write, consumers read, each with its group. And
    results go to the topics that a `reply_to` may name."""
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
    answers = f"{tool} --allow-principal User:{prefix}-conductor --producer --topic"
    asked = (one.strip() for one in reply_topics.split(","))
    return [*made, *(f"{answers} {named}" for one in asked if (named := _named(one)))]


def _named(pattern: str) -> str | None:
    """What Kafka's own tools call the topics of a pattern: one, or all that begin alike. Of other
    patterns it knows none that is not wider."""
    begins = pattern.removesuffix("*")
    if not pattern or any(letter in begins for letter in "*?["):
        return None
    if begins == pattern:
        return pattern
    return f"{begins} --resource-pattern-type prefixed" if begins else "'*'"


def _ours(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in NAMES]
