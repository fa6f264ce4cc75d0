"""Runs as AgentOS's clients name them: by their agent, and most often by their session. Whoever may
use one agent may not have another's runs."""

from contextlib import suppress

import orjson

from actalog_gateway.gateway import Gateway
from actalog_gateway.problems import Problem, not_found
from actalog_gateway.reader import Where
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import FoundRun

TENANT = "default"  # AgentOS's wire knows none


async def run_of(
    gate: Gateway, agent_id: str, run_id: str, *, session_id: str | None = None
) -> FoundRun | InboxRow:
    """A run of this agent, and of that session where one is named.

    Raises:
        Problem: 404, also for what is another's.
    """
    try:
        found = await gate.reader.accepted(TENANT, run_id)
    except Problem as problem:
        raise not_found("Run") from problem
    if not await _is_of(gate, found, agent_id):
        raise not_found("Run")
    if session_id and Where.of(found, run_id).session_id != session_id:
        raise not_found("Run")
    return found


async def anothers(gate: Gateway, agent_id: str, run_id: str) -> bool:
    """Whether the run is another agent's. Of one that is not known yet nobody can say."""
    try:
        found = await gate.reader.accepted(TENANT, run_id)
    except Problem:
        return False
    return not await _is_of(gate, found, agent_id)


async def _is_of(gate: Gateway, found: FoundRun | InboxRow, agent_id: str) -> bool:
    if isinstance(found, FoundRun):
        return found.row.target == f"agent:{agent_id}"
    target = orjson.loads(found.body).get("target")  # as it was sent: with its kind, or without
    with suppress(Problem):
        target = await gate.acceptance.deployed.target(target)
    return target == f"agent:{agent_id}"
