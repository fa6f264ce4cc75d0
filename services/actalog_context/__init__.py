"""Gathers what the model shall see beside the input, and says what it chose and why.

Hears: context.gather.v1 (`actalog.context.commands`).
Says:  context.built.v1, as an answer.
Owns:  nothing: it reads the log and the memory service's projections.
"""
