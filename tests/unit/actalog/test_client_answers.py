"""What a client's answer to a requirement carries."""

from collections.abc import Callable
from typing import Any

import pytest

from actalog.client.client import Client
from actalog.errors import BadCall
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


WRONG: list[tuple[Callable[[Any], Any], str]] = [
    (lambda to: to.submit("agent:a", 3), "a task: input"),
    (lambda to: to.submit("agent:a", ["x"]), "a task: input"),
    (lambda to: to.submit("", "x"), "a task: target: "),
    (lambda to: to.submit("agent:a", "x", colour="red"), "a task: colour: Extra inputs are not"),
    (lambda to: to.resolve("r", "r:c:confirm", "maybe"), "an answer: decision: .*'approve'"),
    (lambda to: to.resolve("r", "r:c:confirm", "approve", arguments=3), "an answer: arguments: "),
    (lambda to: to.cancel(""), "a cancel: run_id: .*at least 1 character"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG)
async def test_what_cannot_be_said_names_its_field_and_is_not_sent(
    wrong: Callable[[Any], Any], told: str
):
    client = Client(http="http://127.0.0.1:1")
    client.transport = sent = Sent()  # type: ignore[assignment]
    with pytest.raises(BadCall, match=told):
        await wrong(client)
    assert sent.messages == []
