"""Which topics a task may name for its result."""

from fnmatch import fnmatchcase

from actalog_contracts import topics
from actalog_core.addresses import listed


class ReplyTopics:
    """Judges by the operator's patterns (`ACTALOG_REPLY_TOPICS`). Whoever accepts tasks asks the same
    question: what passes at one door is not refused behind it."""

    def __init__(self, patterns: str, *, prefix: str) -> None:
        self.patterns, self.own = listed(patterns), topics.own_names(prefix)
        self.results = topics.full_name(topics.RESULTS, prefix)

    def allow(self, topic: str) -> bool:
        """No task may write to a topic of the platform, whatever the patterns say."""
        if topic in self.own:
            return topic == self.results
        return any(fnmatchcase(topic, pattern) for pattern in self.patterns)

    def refusal(self, topic: str) -> str:
        """Why it is not allowed."""
        return f"the operator allows no results on {topic!r} (ACTALOG_REPLY_TOPICS)"
