-- How far topics were heard, written before the broker is told (protocol 15): an offset that the
-- broker has and this table has not is younger than this database.
create table heard_marks (
    consumer_group text not null,
    topic text not null,
    partition integer not null,
    heard_up_to bigint not null,            -- the next offset
    marked_at timestamptz not null default clock_timestamp(),
    primary key (consumer_group, topic, partition)
);
grant select, insert, update on heard_marks to actalog_service;

-- A run whose later events were published, and are not in the log any more: it hears nothing.
alter table open_runs drop constraint open_runs_standing_check;
alter table open_runs add constraint open_runs_standing_check
    check (standing in ('active', 'waiting', 'paused', 'ended', 'lost'));
