"""What routes are given: one object, made by `build_app`, found on the application."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BeforeValidator

from actalog_bus.ports import Bus
from actalog_contracts.base import MAX_ID, MAX_MADE_ID, NO_CONTROLS
from actalog_core.clock import Clock
from actalog_core.errors import Transient
from actalog_core.settings import Settings
from actalog_gateway.acceptance import Acceptance
from actalog_gateway.follow import Hub
from actalog_gateway.paths import part
from actalog_gateway.problems import Problem
from actalog_gateway.reader import Reader
from actalog_gateway.sse import Ids
from actalog_log.ports import RunLog


@dataclass(frozen=True)
class Gateway:
    """Everything a route needs."""

    bus: Bus
    log: RunLog
    settings: Settings
    acceptance: Acceptance
    hub: Hub
    reader: Reader
    clock: Clock
    started_at: datetime

    async def ids(self, tenant_id: str, run_id: str) -> Ids:
        """The ids of a run's events."""
        return Ids(await self.reader.key(), tenant_id, run_id)

    async def missing(self) -> str | None:
        """What keeps it from accepting: the database, or too much that waits in the inbox."""
        try:
            await self.log.ping()
            await self.acceptance.room()
        except Transient as error:
            return f"database: {error}"
        except Problem as problem:
            return f"inbox: {problem.message}"
        return None


async def _gateway(request: Request) -> Gateway:
    # Async, although it waits for nothing: FastAPI calls what is not in a thread, for each request.
    return request.app.state.gateway


Gate = Annotated[Gateway, Depends(_gateway)]

PathId = Annotated[
    str, BeforeValidator(part),
    Path(
        min_length=1, max_length=MAX_MADE_ID, pattern=NO_CONTROLS,
        json_schema_extra={"pattern": NO_CONTROLS},  # a validator before it hides it
    ),
]  # fmt: skip
RunId = PathId
_TENANT = Query(alias="tenant_id", min_length=1, max_length=MAX_ID, pattern=NO_CONTROLS)
Tenant = Annotated[str, _TENANT]
TenantIfSaid = Annotated[str | None, _TENANT]
QueryId = Annotated[str | None, Query(min_length=1, max_length=MAX_ID, pattern=NO_CONTROLS)]
# AgentOS's clients send what they do not mean as empty.
IfMeant = Annotated[
    str | None, Query(max_length=MAX_ID, pattern=NO_CONTROLS.replace("+", "*")),
    AfterValidator(lambda said: said or None),
]  # fmt: skip
Limit = Annotated[int, Query(ge=1, le=500)]
