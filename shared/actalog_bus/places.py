"""A member's own place in its group, which it finds again after a restart (`ACTALOG_INSTANCE`).

Two processes that were given one place by mistake take it from each other for ever, each time with
a rebalance of the whole group: Kafka gives it to whoever came last, and aiokafka, which does not
know the broker's word for it, comes again. So a member that loses its place twice in a while says
so, and goes on as one that has none.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka.errors import UnknownMemberIdError

log = structlog.get_logger()
LOST_AGAIN_S = 60.0
FENCED_INSTANCE_ID = 82  # Kafka's code: somebody else has this place. aiokafka has no name for it


def shared_with_nobody(
    consumer: Any, *, group: str, instance: str, clock: Callable[[], float] = time.monotonic
) -> None:
    """Give the place up where another process has it too. Once is no proof: a member that was
    silent for a session, and one whose broker was lost, lose theirs as well."""
    coordinator = consumer._coordinator
    send, reset = coordinator._send_req, coordinator.reset_generation
    lost_at: list[float] = []

    def give_up() -> None:
        if coordinator._group_instance_id is not None:
            coordinator._group_instance_id = None
            log.error(
                "another process has this place", group=group, instance=instance,
                setting="ACTALOG_INSTANCE",
            )  # fmt: skip

    def lost() -> None:
        if lost_at and clock() - lost_at[-1] < LOST_AGAIN_S:
            give_up()
        lost_at[:] = [clock()]
        reset()

    async def sent(request: object) -> Any:
        response = await send(request)
        if getattr(response, "error_code", 0) == FENCED_INSTANCE_ID:
            give_up()
            response.error_code = UnknownMemberIdError.errno  # whose answer is to join anew
        return response

    coordinator._send_req, coordinator.reset_generation = sent, lost
