-- What became of dead letters. The letters themselves lie in `<topic>.dlq`; here is who sent one
-- again or put it aside, once. The broker's timestamp tells letters apart whose offsets began anew.
create table dead_letters (
    topic text not null,                    -- of the dead letter: `<topic>.dlq`
    partition integer not null,
    "offset" bigint not null,
    timestamp_ms bigint not null,
    action text not null check (action in ('redriven', 'discarded')),
    by text not null,
    note text,
    at timestamptz not null default clock_timestamp(),
    primary key (topic, partition, "offset", timestamp_ms)
);

-- Workers that died while they held a call (protocol 6): after three it is not run again. The third
-- counts only where the call ran alone, so that the right one of many is blamed.
alter table calls add column deaths integer not null default 0,
    add column alone boolean not null default false;

-- Hearings of an accepted message that nobody picked up, begun by a supervisor.
alter table inbox add column tries integer not null default 0;

grant select, insert on dead_letters to actalog_service;
