"""Remembers what runs were about: memories of users, summaries of sessions.

Hears: remember.v1 (`actalog.memory.commands`).
Says:  model.needed.v1, memory.updated.v1, session.summarised.v1, remember.failed.v1, as answers.
Owns:  the projections `memories` and `summaries`.
"""
