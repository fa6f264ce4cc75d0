"""What is installed, asked before anything begins: who misses a library must not learn it from a
dead letter."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from actalog.names import Name
from actalog_core.errors import SettingMissing

if TYPE_CHECKING:
    from actalog_contracts.definitions import Definition

# What of a service's extra it cannot begin without.
_NEEDS: Mapping[Name, str] = {"llm": "openai", "gateway": "fastapi"}
_FORMAT = "jsonschema"


def installed(*names: Name) -> None:
    """Nothing, where the libraries of these services are there.

    Raises:
        SettingMissing: they are not; the message names all extras.
    """
    wanted = {name: library for name, library in _NEEDS.items() if name in names}
    if lacking := {name: library for name, library in wanted.items() if not _there(library)}:
        needs = ", ".join(f"the {name} service needs {one}" for name, one in lacking.items())
        raise SettingMissing(f"{needs}: install actalog[{','.join(lacking)}].")


def installed_alone(name: Name) -> None:
    """The same for a service that is a process of its own: it does not know which agents come.

    Raises:
        SettingMissing: a library of its extra is not there.
    """
    installed(name)
    if name == "guardrails" and not _there(_FORMAT):
        raise SettingMissing(
            f"the guardrails service needs {_FORMAT}: install actalog[guardrails]."
        )


def checkable(definitions: "Iterable[Definition]") -> None:
    """Nothing, where this process can do the checks of these definitions.

    Raises:
        SettingMissing: a library is not there; the message names the agent and the extra.
    """
    for one in definitions:
        if any(check.type == "format" for check in (*one.input_checks, *one.output_checks)):
            if _there(_FORMAT):
                return
            raise SettingMissing(
                f"agent {one.id!r} has a FormatGuardrail, which needs {_FORMAT}:"
                " install actalog[guardrails]."
            )


def _there(library: str) -> bool:
    return find_spec(library) is not None
