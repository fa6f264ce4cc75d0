"""What the conductor would refuse later, where nobody hears it any more, is refused here."""

from actalog_contracts.border import BadInput
from actalog_contracts.tasks import TaskSubmit
from actalog_core.clock import parse_time
from actalog_core.sure_clock import SureClock
from actalog_gateway.problems import Problem
from actalog_log.ports import RunLog


async def admit(task: TaskSubmit, *, tenant_id: str, log: RunLog, clock: SureClock) -> None:
    """A task that is new. What passes here may be refused all the same: whoever follows its run
    hears of that (`follow.Refused`).

    Raises:
        BadInput, Problem: it names the field.
    """
    await _in_time(task, log, clock)
    await _own_session(task, tenant_id, log)
    for at, media in enumerate(task.media):
        if media.blob and not await log.has_blob(tenant_id, media.blob):
            raise BadInput("there is no such blob", field=f"media.{at}.blob")


async def _in_time(task: TaskSubmit, log: RunLog, clock: SureClock) -> None:
    """What has passed by this machine's clock has passed when the database's says so, too: it is
    asked then alone."""
    if task.deadline is None:
        return
    try:
        deadline = parse_time(task.deadline)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"deadline: no RFC 3339 time: {error}", field="deadline") from error
    if deadline > clock():
        return
    now = clock.own()
    clock.compare((await log.looming(now, now)).at)
    if deadline <= clock():
        raise Problem("expired", "the deadline has passed", field="deadline")


async def _own_session(task: TaskSubmit, tenant_id: str, log: RunLog) -> None:
    if task.session_id is None or task.session_id == task.run_id:
        return  # a new one
    opening = await log.opening(tenant_id, task.session_id, task.run_id or "")
    if not opening.belongs_to(task.user_id):
        raise Problem("not_allowed", "the session is another user's", field="session_id")
