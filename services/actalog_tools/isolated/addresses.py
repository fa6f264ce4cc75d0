"""Where another process finds a callable of the author: in a module, or in the App by its path."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actalog_tools.signatures import BadFunction

MAIN = "actalog_main"  # the name under which a script is loaded, so that it does not run as one


@dataclass(frozen=True)
class Address:
    """`module` is a module's name or, of a script, its file. `name` is an attribute of it: the
    callable, or the App that has the callable under `path`."""

    module: str
    name: str
    path: str | None = None


def address_of(function: Callable[..., Any], *, path: str, app: str | None) -> Address:
    """The address of a callable that is `path` in the App called `app` (`module:name`).

    Raises:
        BadFunction: no other process can find it.
    """
    if not hasattr(os, "fork"):
        raise BadFunction(f"{path}: isolated=True needs a system that can fork (Linux, macOS)")
    if (found := _in_module(function)) is not None:
        return found
    if app is not None:
        module, _, name = app.partition(":")
        return Address(module, name, path)
    raise BadFunction(
        f"{path}: isolated=True runs it in a process of its own, which has to import it: define it"
        " with `def` at the top of a module or script (no lambda, no inner function, no method),"
        " or serve its App by name (`actalog up --app MODULE:NAME`)"
    )


def load(address: Address) -> Callable[..., Any]:
    """The callable, in the process that runs it. What the module raises is raised."""
    found: Any = _module(address.module)
    for part in address.name.split("."):
        found = getattr(found, part)
    if address.path is not None:
        found = found.callables()[address.path]
    return _plain(found)


def _in_module(function: Any) -> Address | None:
    """Only if what is found there is the very same."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    found: Any = sys.modules.get(module or "")
    if found is None or not isinstance(name, str):
        return None
    where = _named(found, str(module))
    for part in name.split("."):
        found = getattr(found, part, None)
    same = found is not None and _plain(found) is _plain(function)
    return Address(where, name) if same and where else None


def _plain(function: Any) -> Any:
    """Without the declarations around it."""
    return getattr(function, "entrypoint", function)


def _named(module: Any, name: str) -> str:
    """How it is imported elsewhere; a script by its file, a notebook not at all."""
    if name != "__main__":
        return name
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    return spec.name if spec else os.path.abspath(file) if file else ""


def _module(name: str) -> Any:
    if not os.path.isabs(name):
        return importlib.import_module(name)
    if MAIN not in sys.modules:
        spec = importlib.util.spec_from_file_location(MAIN, name)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[MAIN] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[MAIN]
            raise
    return sys.modules[MAIN]
