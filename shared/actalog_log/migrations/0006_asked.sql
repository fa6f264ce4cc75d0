-- Who asks for a call or hears a row notes it here, so that several supervisors share the work and
-- what stays undone keeps nothing behind it waiting (protocol 5).
alter table calls add column asked_at timestamptz;
alter table inbox add column asked_at timestamptz;
