"""What the server answers without a script: a small, deterministic demo model."""

from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply

NOTE = "(scripted model)"


def demo_reply(request: Request) -> Reply:
    """An answer that says it is scripted."""
    return Reply(f"{request.messages[-1].text} {NOTE}", model="scripted")
