-- Many decisions in one statement, so in one transaction: of these parts, those that have rows. In
-- each, parameters count from one; `appending.py` puts them together.

-- part runs: new ones
new_runs as (
    insert into runs (run_no, tenant_id, run_id, session_id, turn, kind, target, definition,
                      body_digest, subject, parent_run_no, parent_run_id, fork_seq, fork_hash,
                      accepted_at)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                         $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                         $11::bigint[], $12::text[], $13::bigint[], $14::bytea[],
                         $15::timestamptz[])
    returning run_no, tenant_id, session_id, turn
)

-- part events: no ON CONFLICT, which would put my 6 behind your 5 (protocol 4.2)
new_events as (
    insert into events (run_no, seq, type, rules_version, payload, causation_id, recorded_at, hash)
    select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::bytea[],
                         $6::text[], $7::timestamptz[], $8::bytea[])
)

-- part standings: a run that has ended may come back, and had left because all before was published.
-- Whoever's clock went ahead and came back leaves no run waiting for a day: the net is near.
standings as (
    select run_no, standing, last_seq, published, case when wake_at is not null
           then least(wake_at, clock_timestamp() + interval '1 minute') end as wake_at
    from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::bigint[],
                         $5::bigint[]) as s(run_no, standing, wake_at, last_seq, published)
    /* few: limit cardinality($1) */
), opened as (
    insert into open_runs (run_no, tenant_id, session_id, turn, standing, wake_at, last_seq,
                           published_seq)
    select s.run_no, r.tenant_id, r.session_id, r.turn, s.standing, s.wake_at, s.last_seq,
           coalesce(s.published, 0)
    from standings s
    join (/* new: select * from new_runs union all */
          select k.run_no, k.tenant_id, k.session_id, k.turn from runs k
          join standings o on o.run_no = k.run_no and o.published is not null) r using (run_no)
    on conflict (run_no) do update
        set standing = excluded.standing, wake_at = excluded.wake_at,
            last_seq = excluded.last_seq, wakes = 0
)

-- part operations: on session state
operations as (
    insert into session_ops (tenant_id, session_id, state_version, run_no, seq, ops)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bytea[])
)

-- part held: text that waits for a check
hold as (
    insert into held (tenant_id, held_id, run_no, body)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
    on conflict (tenant_id, held_id) do nothing
)

-- part released: text that was checked
released as (
    delete from held
    using (select * from unnest($1::text[], $2::text[]) /* few: limit cardinality($1) */)
        as k(tenant_id, held_id)
    where held.tenant_id = k.tenant_id and held.held_id = k.held_id
)

-- part picked_up: from the inbox
picked_up as (
    delete from inbox
    using (select * from unnest($1::text[], $2::text[]) /* few: limit cardinality($1) */)
        as k(tenant_id, inbox_id)
    where inbox.tenant_id = k.tenant_id and inbox.inbox_id = k.inbox_id
)

-- part settled: answers that the log has now
settled as (
    update calls set settled = true, outcome = null
    from (select * from unnest($1::text[]) /* few: limit cardinality($1) */) as k(call_id)
    where calls.call_id = k.call_id
)
