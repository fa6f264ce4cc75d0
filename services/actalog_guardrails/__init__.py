"""Checks texts by rule packs: a verdict, reasons, and where something was found.

Hears: text.check.v1 (`actalog.guardrails.commands`).
Says:  input.checked.v1, output.reviewed.v1, as answers.
Owns:  its rule packs; a change of them raises RULES.
"""
