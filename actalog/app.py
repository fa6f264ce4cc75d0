"""What an author deploys: agents under their names, checked as a whole."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from actalog.errors import BadDefinition, NotSupported
from actalog.given import listed
from actalog.parameters import refuse, warn_moved
from actalog.unsupported import APP_NOT_YET

if TYPE_CHECKING:
    from actalog.agent import Agent
    from actalog_contracts.definitions import AgentDefinition


class App:
    """Agents that are deployed together. `actalog up --app MODULE:NAME` serves it.

    Everything is checked when it is made: an App that exists can be deployed.

    Raises:
        BadDefinition: two agents of one id, or an agent that cannot be a definition.
        NotSupported: it needs what Actalog does not have yet.
    """

    def __new__(cls, *args: Any, **given: Any) -> Self:
        if not given.keys() <= PARAMETERS:
            refuse(cls.__name__, given, known=PARAMETERS, not_yet=APP_NOT_YET)
        return object.__new__(cls)

    def __init__(
        self,
        agents: "Sequence[Agent]" = (),
        *,
        id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        db: object = None,
        telemetry: object = None,
        tracing: object = None,
    ) -> None:
        self.id, self.name, self.description = id, name, description
        self.agents = tuple(listed(type(self).__name__, "agents", agents))
        given = {"db": db, "telemetry": telemetry, "tracing": tracing}
        if moved := [name for name, value in given.items() if value is not None]:
            warn_moved(type(self).__name__, moved)
        self._check()

    def _check(self) -> None:
        seen: set[str] = set()
        for agent in self.agents:
            if isinstance(agent, type) or not hasattr(agent, "definition"):
                raise BadDefinition(f"{agent!r} is no agent.")
            id = agent.definition().id
            if id in seen:
                raise BadDefinition(
                    f"two agents are called {id!r}; give one of them another name or id."
                )
            seen.add(id)

    def definitions(self) -> "Sequence[AgentDefinition]":
        """What is registered, and pinned by each run."""
        return [agent.definition() for agent in self.agents]

    def callables(self) -> Mapping[str, Callable[..., Any]]:
        """The author's functions by their path: `agent:support/tools/order_status`."""
        return {
            path: function for agent in self.agents for path, function in agent.callables().items()
        }


class AgentOS(App):
    """An App, under the name that Agno's has."""

    def serve(self, app: object = None, **given: Any) -> None:
        """Serving is the platform's: `actalog up --app MODULE:NAME`."""
        raise NotSupported("AgentOS.serve(): type `actalog up --app MODULE:NAME`.")


PARAMETERS: frozenset[str] = frozenset({"agents", *(App.__init__.__kwdefaults__ or {})})
