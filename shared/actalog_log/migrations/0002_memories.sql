-- What was remembered, as projections of the log (protocol 7.4): can be wiped and rebuilt.

-- Where a projection has read up to. Moved in the transaction that applies the events.
create table projection_cursors (
    name text primary key,
    xid xid8 not null default '0',
    position bigint not null default 0
);
insert into projection_cursors (name) values ('memories');

-- A user's memories. Of the user only the subject's number is here (protocol 1.4).
create table memories (
    subject bigint not null references subjects,
    memory_id text not null,
    text text not null,
    topics text[] not null default '{}',
    xid xid8 not null,                      -- of the event that added it: their order
    position bigint not null,
    nth integer not null,
    primary key (subject, memory_id)
);
create index memories_order on memories (subject, xid, position, nth);

-- A session's summary, as of its run with that turn: one that comes late replaces no newer one.
create table summaries (
    tenant_id text not null,
    session_id text not null,
    summary text not null,
    topics text[] not null default '{}',
    turn bigint not null,
    primary key (tenant_id, session_id)
);

-- Only what the projection reads: an idle poll costs nothing, however long the log is.
create index events_remembered on events (xid, position)
    where type in ('memory.updated.v1', 'session.summarised.v1');

grant select, update on projection_cursors to actalog_service;
grant select, insert, update, delete on memories, summaries to actalog_service;
