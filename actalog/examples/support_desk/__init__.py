"""A shop's support desk: lookup tools over a small SQLite file, a memory, a guardrail.

`actalog up --app actalog.examples.support_desk.app:app --tasks tasks.jsonl` works on it; the
messages in `tasks.jsonl` are what customers write.
"""
