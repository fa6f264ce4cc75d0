"""Runs the author's callables, and nothing else does.

Hears: tool.run (`actalog.tools.commands`), one lane for each call.
Says:  call.answered with tool.returned, tool.failed or tool.in_doubt (`actalog.replies`);
       progress (`actalog.stream`).
Owns:  the rows of `calls` of the tool calls it holds.
"""
