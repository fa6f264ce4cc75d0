"""The door for people: HTTP in, server-sent events out. Any replica can serve any stream.

Hears: HTTP; every event and delta (`actalog.events`, `actalog.stream`), to pass them on.
Says:  tasks, cancels and answers to requirements (`actalog.tasks`).
Owns:  its inbox rows until the conductor has decided them.
"""
