"""Decides what happens next in a run; owns the run log.

Hears: tasks and controls (`actalog.tasks`), answers of the services (`actalog.replies`).
Says:  events (`actalog.events`), results (`actalog.results`); asks text.check, context.gather,
       model.call, tool.run, remember.
Owns:  `runs`, `events`, `open_runs`, `session_ops`.
"""
