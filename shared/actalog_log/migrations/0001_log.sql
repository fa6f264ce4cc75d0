-- The log, and what lies beside it (design 5, protocol 1 to 13).

create table installation (
    one boolean primary key default true check (one),
    digest_key bytea not null,              -- for digests of outside content (protocol 1.3)
    incarnation bigint not null default 1,  -- raised by `actalog recover` (protocol 15)
    system_identifier text not null,
    timeline bigint not null
);

-- A subject is a person; its name and key go when it is erased, its number stays in the log.
create table subjects (
    subject bigint generated always as identity primary key,
    tenant_id text not null,
    user_id text,
    data_key bytea,
    closed_at timestamptz,
    erased_at timestamptz,
    unique (tenant_id, user_id)
);

create table definitions (
    digest text primary key,
    kind text not null,
    id text not null,
    body bytea not null,
    registered_at timestamptz not null default clock_timestamp()
);

create table current_definitions (
    kind text not null,
    id text not null,
    digest text not null references definitions,
    primary key (kind, id)
);

-- Numbers are handed out in blocks of 64, so that a decision needs no round trip for one.
create sequence run_numbers increment by 64;

create table runs (
    run_no bigint primary key,
    tenant_id text not null,
    run_id text not null,
    session_id text not null,
    turn bigint,
    kind text not null,
    target text not null,
    definition text not null,
    body_digest text not null,
    subject bigint references subjects,
    parent_run_no bigint,
    parent_run_id text,
    fork_seq bigint,
    fork_hash bytea,
    accepted_at timestamptz not null,
    constraint run_id_taken unique (tenant_id, run_id),
    constraint turn_taken unique (tenant_id, session_id, turn)
);
create index runs_by_parent on runs (parent_run_no) where parent_run_no is not null;

create sequence event_positions cache 1;

-- Partitioned by range of run_no: the key fences a stale writer, and whole old runs can be
-- detached. There is no default partition: an insert outside every range must fail.
create table events (
    run_no bigint not null,
    seq bigint not null check (seq > 0),
    type text not null,
    rules_version integer not null,
    payload bytea not null,                 -- envelope: format, key id, canonical JSON
    causation_id text,
    recorded_at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    position bigint not null default nextval('event_positions'),
    hash bytea not null,
    primary key (run_no, seq)
) partition by range (run_no);
create index events_tail on events (xid, position);

create table open_runs (
    run_no bigint primary key,
    tenant_id text not null,
    session_id text not null,
    turn bigint,
    standing text not null check (standing in ('active', 'waiting', 'paused', 'ended')),
    wake_at timestamptz,
    published_seq bigint not null default 0,
    last_seq bigint not null default 0,     -- known when the standing last changed
    wakes integer not null default 0
);
create index open_runs_wake on open_runs (wake_at);
create index open_runs_turn on open_runs (tenant_id, session_id, turn);

create table inbox (
    tenant_id text not null,
    inbox_id text not null,
    body bytea not null,
    headers jsonb not null default '{}',
    received_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, inbox_id)
);
create index inbox_age on inbox (received_at);

create table tombstones (
    tenant_id text not null,
    run_id text not null,
    reason text,
    by text,
    made_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, run_id)
);

-- Unchecked text waits here, never in the log (protocol 9).
create table held (
    tenant_id text not null,
    held_id text not null,
    run_no bigint not null,
    body bytea not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, held_id)
);

-- The effect ledger (protocol 6). A row belongs to the service that claimed the call.
create table calls (
    call_id text primary key,
    run_no bigint not null,
    epoch bigint not null default 1,
    holder text,
    lease_until timestamptz,
    settled boolean not null default false,
    outcome bytea,                          -- cleared once the log has it (6.6)
    claimed_at timestamptz not null default clock_timestamp()
);
-- Only unanswered calls: a million finished ones cost the supervisor nothing.
create index calls_open on calls (lease_until) where not settled;
create index calls_by_run on calls (run_no) where not settled;

create table session_ops (
    tenant_id text not null,
    session_id text not null,
    state_version bigint not null,
    run_no bigint not null,
    seq bigint not null,
    ops bytea not null,
    constraint state_version_taken primary key (tenant_id, session_id, state_version)
);

create table blobs (
    tenant_id text not null,
    blob_id text not null,
    media_type text not null,
    data bytea not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, blob_id)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only: % on % is refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end $$;

create trigger runs_append_only before update or delete on runs
    for each row execute function refuse_change();
create trigger runs_no_truncate before truncate on runs
    for each statement execute function refuse_change();
create trigger events_append_only before update or delete on events
    for each row execute function refuse_change();
create trigger events_no_truncate before truncate on events
    for each statement execute function refuse_change();

-- Keeps two ranges ahead of the highest number handed out (protocol 12). Row triggers come
-- with the attach; a TRUNCATE trigger does not, so each partition gets its own.
create function keep_ranges_ahead(width bigint default 1000000) returns integer
    language plpgsql security definer set search_path = public as $$
declare
    made integer := 0;
    highest bigint;
    low bigint;
    name text;
begin
    perform pg_advisory_xact_lock(7203914);
    select case when is_called then last_value + 64 else 0 end into highest from run_numbers;
    for step in 0..2 loop
        low := (highest / width + step) * width;
        name := format('events_%s', low);
        if to_regclass(name) is null then
            execute format(
                'create table %I (like events including defaults including constraints)', name);
            execute format(
                'create trigger no_truncate before truncate on %I
                 for each statement execute function refuse_change()', name);
            execute format(
                'alter table events attach partition %I for values from (%s) to (%s)',
                name, low, low + width);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

select keep_ranges_ahead();

insert into installation (digest_key, system_identifier, timeline)
select decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'),
       (select system_identifier::text from pg_control_system()),
       (select timeline_id from pg_control_checkpoint());

-- The services' role: INSERT and SELECT on the log, nothing else. It exists once in a cluster.
do $$ begin
    if not exists (select from pg_roles where rolname = 'actalog_service') then
        create role actalog_service nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
grant select, insert on runs, events, definitions, session_ops, blobs to actalog_service;
grant select, insert, update on subjects, current_definitions to actalog_service;
grant select on installation to actalog_service;
grant select, insert, update, delete on open_runs, inbox, tombstones, held, calls to actalog_service;
grant usage on sequence run_numbers, event_positions to actalog_service;
