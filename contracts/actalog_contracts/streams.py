"""Ephemeral messages on `actalog.stream`: for people, never needed for truth."""

from typing import Annotated, Literal

from pydantic import Field

from actalog_contracts.base import CallId, Count, Message


class Delta(Message):
    """More of a message that a model is writing. `offset` counts code points of its `kind`."""

    type: Literal["stream.delta.v1"] = "stream.delta.v1"
    tenant_id: str
    run_id: str
    session_id: str
    call_id: CallId
    epoch: Count
    kind: Literal["text", "reasoning"] = "text"
    offset: Count
    text: str


class Progress(Message):
    """What a service is doing now: a model call began (`model`), an attempt failed (`retry`)."""

    type: Literal["stream.progress.v1"] = "stream.progress.v1"
    tenant_id: str
    run_id: str
    session_id: str
    call_id: CallId
    epoch: Count
    what: Literal["model", "retry", "tool"]
    detail: str = ""


AnyStream = Annotated[Delta | Progress, Field(discriminator="type")]
