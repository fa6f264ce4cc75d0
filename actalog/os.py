"""Where Agno has its AgentOS."""

from actalog.app import AgentOS

__all__ = ["AgentOS"]
