"""A model server that follows a script, in the wire formats of OpenAI and Anthropic.

Hears: POST /v1/chat/completions, POST /v1/messages, GET /v1/models.
Says:  what its script says; without a script it answers as a small demo model that says so.
Owns:  the requests it received, for tests to look at.
"""

from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Answer, Fault, Reply, Tokens, ToolUse
from actalog_testing.scripted.server import ScriptedServer

__all__ = ["Answer", "Fault", "Reply", "Request", "ScriptedServer", "Tokens", "ToolUse"]
