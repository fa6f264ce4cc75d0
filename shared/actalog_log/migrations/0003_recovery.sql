-- Answers that the log does not have: only those of whoever died before telling stay here.
create index calls_unheard on calls (lease_until) where settled and outcome is not null;

-- What is still held goes when its run leaves `open_runs`.
create index held_by_run on held (run_no);
