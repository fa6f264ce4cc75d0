-- Transaction numbers are a server's own: in another one, where a dump was put, they begin anew. The
-- tail is ordered by the server's number plus `xid_base`, which then goes past all that is there.
alter table installation add column xid_base bigint not null default 0;

-- What is below it has committed, or never will.
create function tail_horizon() returns xid8 language sql stable as $$
    select (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + xid_base)::text::xid8
    from installation
$$;

-- New events follow those that are there. Changes nothing where they do already.
create function number_on() returns bigint language plpgsql as $$
declare
    here bigint := pg_current_xact_id()::text::bigint;
    base bigint;
    highest bigint;
begin
    select xid_base into base from installation;
    select greatest(
        (select xid::text::bigint from events order by xid desc, position desc limit 1),
        (select max(xid::text::bigint) from projection_cursors)) into highest;
    if here + base <= highest then
        base := highest - here + 1;
        update installation set xid_base = base;
    end if;
    if base > 0 then  -- also where a dump brought the number without the table's default
        execute format(
            'alter table events alter column xid set default
             (pg_current_xact_id()::text::bigint + %s)::text::xid8', base);
    end if;
    return base;
end $$;

select number_on();
