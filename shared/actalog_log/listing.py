"""The questions behind lists of runs and sessions. What is not asked for stands in none of them, so
that each is planned for what it is: what is unfinished is little among very many."""

from typing import Any, Literal

from actalog_log.ports import Standing

# Sessions by their first runs. What is beside it (when the last one was) is asked of those alone that
# are told, or by which they are ordered.
_BEGUN = """
    select f.session_id, f.accepted_at as first, f.subject, f.target
    from runs f where f.tenant_id = $1 and f.turn = 1
"""
_LAST = """
    join lateral (select l.accepted_at as last from runs l
                  where l.tenant_id = $1 and l.session_id = s.session_id and l.turn is not null
                  order by l.turn desc limit 1) l on true
"""
_TOLD = "select s.session_id, s.first, last, u.user_id, s.target"
_USER = "left join subjects u on u.subject = s.subject"
# Newest first: last runs are looked for among the newest, so that a page costs what lies in it.
NEWEST_RUNS = 2_000
_NEWEST = f"""
    {_TOLD} from (
        select f.session_id, f.accepted_at as first, l.accepted_at as last, f.subject, f.target
        from (select session_id, turn, accepted_at from runs
              where tenant_id = $1 and turn is not null
              order by accepted_at desc, session_id limit {NEWEST_RUNS}) l
        join runs f on f.tenant_id = $1 and f.session_id = l.session_id and f.turn = 1
        where not exists (select from runs n where n.tenant_id = $1
                          and n.session_id = l.session_id and n.turn > l.turn)
        order by l.accepted_at desc, l.session_id limit {{page}}) s
    {_USER} order by last desc, session_id
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


def newest_sessions(tenant_id: str, limit: int, offset: int) -> tuple[str, list[Any]]:
    """Those whose last runs are among the newest: where they fill no page, others may follow."""
    return _NEWEST.format(page=f"{limit:d} offset {offset:d}"), [tenant_id]


def sessions(
    tenant_id: str, user_id: str | None, target: str | None, by: Literal["first", "last"],
    ascending: bool, limit: int, offset: int,
) -> tuple[str, list[Any]]:  # fmt: skip
    """A page of them, and its parameters. By their last runs, all that are asked for are read."""
    wanted, given = _wanted(tenant_id, user_id, target)
    order = f"order by {by} {'asc' if ascending else 'desc'}, session_id"
    page = f"{order} limit {limit:d} offset {offset:d}"
    if by == "first":
        return f"{_TOLD} from ({_BEGUN}{wanted} {page}) s {_LAST} {_USER} {order}", given
    return f"{_TOLD} from ({_BEGUN}{wanted}) s {_LAST} {_USER} {page}", given


def count_sessions(
    tenant_id: str, user_id: str | None, target: str | None
) -> tuple[str, list[Any]]:
    """How many there are, and its parameters."""
    wanted, given = _wanted(tenant_id, user_id, target)
    return f"select count(*) from runs f where f.tenant_id = $1 and f.turn = 1{wanted}", given


def _wanted(tenant_id: str, user_id: str | None, target: str | None) -> tuple[str, list[Any]]:
    given: list[Any] = [tenant_id]
    wanted = ""
    if user_id is not None:
        given.append(user_id)
        wanted += " and f.subject = (select u.subject from subjects u"
        wanted += f" where u.tenant_id = $1 and u.user_id = ${len(given)})"
    if target is not None:
        given.append(target)
        wanted += f" and f.target = ${len(given)}"
    return wanted, given
