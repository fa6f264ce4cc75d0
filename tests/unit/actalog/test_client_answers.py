"""What a client's answer to a requirement carries."""

from typing import Any

import pytest

from actalog.client.client import Client
from actalog_contracts.tasks import RequirementResolve


class Sent:
    """In place of the transport: keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append(message)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("approve", {"arguments": {}}),  # no argument is an answer, too
        ("approve", {"arguments": {"order": "8"}, "digest": "d"}),
        ("done", {"result": "receipt 17", "note": "seen in the bank"}),
        ("done", {"result": {"receipt": 17}}),
        ("reject", {"by": "ann"}),
    ],
)
async def test_what_is_said_is_sent(decision: Any, said: dict[str, Any]):
    client = Client(http="http://127.0.0.1:1", tenant_id="t")
    client.transport = sent = Sent()  # type: ignore[assignment]
    await client.resolve("r", "r:c:confirm", decision, **said)
    assert sent.messages == [
        RequirementResolve(
            run_id="r", tenant_id="t", requirement_id="r:c:confirm", decision=decision, **said
        )
    ]
    assert all(sent.messages[0].model_dump()[name] == value for name, value in said.items())
