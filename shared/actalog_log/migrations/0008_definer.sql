-- Whoever calls a function that works with its owner's rights must not choose what its names mean:
-- temporary tables come first where a path does not put them last. And only services call it.
alter function keep_ranges_ahead(bigint) set search_path = public, pg_temp;
revoke execute on function keep_ranges_ahead(bigint) from public;
grant execute on function keep_ranges_ahead(bigint) to actalog_service;
