-- Many decisions in one statement, so in one transaction. No ON CONFLICT on events: it would put
-- my 6 behind your 5 (protocol 4.2).
with new_runs as (
    insert into runs (run_no, tenant_id, run_id, session_id, turn, kind, target, definition,
                      body_digest, subject, parent_run_no, parent_run_id, fork_seq, fork_hash,
                      accepted_at)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                         $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                         $11::bigint[], $12::text[], $13::bigint[], $14::bytea[],
                         $15::timestamptz[])
    returning run_no, tenant_id, session_id, turn
), new_events as (
    insert into events (run_no, seq, type, rules_version, payload, causation_id, recorded_at, hash)
    select * from unnest($16::bigint[], $17::bigint[], $18::text[], $19::integer[], $20::bytea[],
                         $21::text[], $22::timestamptz[], $23::bytea[])
), standings as (
    select * from unnest($24::bigint[], $25::text[], $26::timestamptz[], $27::bigint[],
                         $28::bigint[]) as s(run_no, standing, wake_at, last_seq, published)
    /* few: limit cardinality($24) */
), opened as (
    -- A run that has ended may come back, and had left because all before was published.
    insert into open_runs (run_no, tenant_id, session_id, turn, standing, wake_at, last_seq,
                           published_seq)
    select s.run_no, r.tenant_id, r.session_id, r.turn, s.standing, s.wake_at, s.last_seq,
           coalesce(s.published, 0)
    from standings s
    join (select * from new_runs
          union all
          select k.run_no, k.tenant_id, k.session_id, k.turn from runs k
          join standings o on o.run_no = k.run_no and o.published is not null) r using (run_no)
    on conflict (run_no) do update
        set standing = excluded.standing, wake_at = excluded.wake_at,
            last_seq = excluded.last_seq, wakes = 0
), operations as (
    insert into session_ops (tenant_id, session_id, state_version, run_no, seq, ops)
    select * from unnest($29::text[], $30::text[], $31::bigint[], $32::bigint[], $33::bigint[],
                         $34::bytea[])
), hold as (
    insert into held (tenant_id, held_id, run_no, body)
    select * from unnest($35::text[], $36::text[], $37::bigint[], $38::bytea[])
    on conflict (tenant_id, held_id) do nothing
), released as (
    delete from held
    using (select * from unnest($39::text[], $40::text[]) /* few: limit cardinality($39) */)
        as k(tenant_id, held_id)
    where held.tenant_id = k.tenant_id and held.held_id = k.held_id
), picked_up as (
    delete from inbox
    using (select * from unnest($41::text[], $42::text[]) /* few: limit cardinality($41) */)
        as k(tenant_id, inbox_id)
    where inbox.tenant_id = k.tenant_id and inbox.inbox_id = k.inbox_id
)
update calls set settled = true, outcome = null
from (select * from unnest($43::text[]) /* few: limit cardinality($43) */) as k(call_id)
where calls.call_id = k.call_id;
