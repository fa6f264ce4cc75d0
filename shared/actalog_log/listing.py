"""The questions behind lists of runs and sessions. What is not asked for stands in none of them, so
that each is planned for what it is: what is unfinished is little among very many."""

from typing import Any

from actalog_log.ports import Standing

ORDER = {
    (by, ascending): f" order by {by} {'asc' if ascending else 'desc'}, session_id"
    for by in ("first", "last") for ascending in (False, True)
}  # fmt: skip
# A session's first run may be gone after a restore: the first that is there counts.
_SESSIONS = """
    select s.session_id, s.first, s.last, u.user_id, r.target, count(*) over () as total
    from (select session_id, min(accepted_at) as first, max(accepted_at) as last, min(turn) as turn
          from runs where tenant_id = $1 and turn is not null group by session_id) s
    join runs r on r.tenant_id = $1 and r.session_id = s.session_id and r.turn = s.turn
    left join subjects u using (subject)
"""


def runs(
    tenant_id: str, session_id: str | None, standing: Standing | None, before_run_no: int | None,
    limit: int,
) -> tuple[str, list[Any]]:  # fmt: skip
    """What follows the columns, and its parameters."""
    given: list[Any] = [tenant_id]
    wanted = ["r.tenant_id = $1"]
    if session_id is not None:
        given.append(session_id)
        wanted.append(f"r.session_id = ${len(given)}")
    if standing == "ended":
        wanted.append("coalesce(o.standing, 'ended') = 'ended'")
    elif standing is not None:
        given.append(standing)
        wanted.append(f"o.standing = ${len(given)}")
    if before_run_no is not None:
        given.append(before_run_no)
        wanted.append(f"r.run_no < ${len(given)}")
    given.append(limit)
    return f"where {' and '.join(wanted)} order by r.run_no desc limit ${len(given)}", given


def sessions(tenant_id: str, user_id: str | None, target: str | None) -> tuple[str, list[Any]]:
    """All of these sessions, in no order, and its parameters."""
    given: list[Any] = [tenant_id]
    wanted: list[str] = []
    if user_id is not None:
        given.append(user_id)
        wanted.append(f"u.user_id = ${len(given)}")
    if target is not None:
        given.append(target)
        wanted.append(f"r.target = ${len(given)}")
    return f"{_SESSIONS} where {' and '.join(wanted) or 'true'}", given
