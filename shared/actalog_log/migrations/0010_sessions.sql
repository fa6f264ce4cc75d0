-- Lists of sessions read what they show, and not all runs of a tenant: sessions by when they were
-- begun, a user's own, and runs from the newest on.
create index sessions_begun on runs (tenant_id, accepted_at desc, session_id) include (target)
    where turn = 1;
create index sessions_of_users on runs (subject, accepted_at desc, session_id)
    where turn = 1 and subject is not null;
create index turns_by_time on runs (tenant_id, accepted_at desc, session_id, turn)
    where turn is not null;
