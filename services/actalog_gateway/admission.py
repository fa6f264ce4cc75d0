"""What the conductor would refuse later, where nobody hears it any more, is refused here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actalog_contracts.border import BadInput
from actalog_contracts.tasks import TaskSubmit
from actalog_core.clock import parse_time
from actalog_core.json_schemas import fault
from actalog_core.reply_topics import ReplyTopics
from actalog_core.sure_clock import SureClock
from actalog_gateway.problems import Problem
from actalog_log.ports import RunLog


@dataclass(frozen=True)
class Admission:
    """Looks at tasks that are new. What passes here may be refused all the same: whoever follows its
    run hears of that (`follow.Refused`)."""

    log: RunLog
    clock: SureClock
    reply_topics: ReplyTopics

    async def admit(self, task: TaskSubmit, tenant_id: str) -> None:
        """Nothing, where the task can become a run.

        Raises:
            BadInput, Problem: it names the field.
        """
        if task.reply_to is not None and not self.reply_topics.allow(task.reply_to):
            said = self.reply_topics.refusal(task.reply_to)
            raise Problem("not_allowed", said, field="reply_to")
        if wrong := None if task.output_schema is None else fault(task.output_schema):
            raise BadInput(f"output_schema is no JSON Schema: {wrong}", field="output_schema")
        await self._in_time(task)
        await self._own_session(task, tenant_id)
        for at, media in enumerate(task.media):
            if media.blob and not await self.log.has_blob(tenant_id, media.blob):
                raise BadInput("there is no such blob", field=f"media.{at}.blob")

    async def _in_time(self, task: TaskSubmit) -> None:
        """What has passed by this machine's clock has passed when the database's says so, too: it
        is asked then alone."""
        if task.deadline is None:
            return
        try:
            deadline = parse_time(task.deadline)
        except (ValueError, OverflowError) as error:
            raise BadInput(f"deadline: no RFC 3339 time: {error}", field="deadline") from error
        if deadline > self.clock():
            return
        now = self.clock.own()
        self.clock.compare((await self.log.looming(now, now)).at)
        if deadline <= self.clock():
            raise Problem("expired", "the deadline has passed", field="deadline")

    async def _own_session(self, task: TaskSubmit, tenant_id: str) -> None:
        if task.session_id is None or task.session_id == task.run_id:
            return  # a new one
        opening = await self.log.opening(tenant_id, task.session_id, task.run_id or "")
        if not opening.belongs_to(task.user_id):
            raise Problem("not_allowed", "the session is another user's", field="session_id")


def cloud_events(said: Mapping[str, str]) -> dict[str, str]:
    """Headers of HTTP as the bus names them: `ce-id` is `ce_id`."""
    named: Callable[[str], str] = lambda name: name.lower().replace("ce-", "ce_", 1)
    told = {named(name): text for name, text in said.items()}
    return {n: t for n, t in told.items() if n.startswith("ce_") or n == "content-type"}
