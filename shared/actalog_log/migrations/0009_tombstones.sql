-- Who cancels a run that is not known puts old tombstones away: without reading the young ones.
create index tombstones_age on tombstones (made_at);
