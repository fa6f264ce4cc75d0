"""The author's App, from `MODULE:NAME`."""

import importlib
import sys
import traceback
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

from actalog.errors import BadCall
from actalog.models.base import outside_tests
from actalog_core.errors import Permanent, SettingMissing

if TYPE_CHECKING:
    from actalog.app import App

OURS = Path(__file__).parent.parent  # what is raised here was asked for elsewhere
EXAMPLE = "actalog.examples.support_desk.app:app"


class AppBroken(Permanent):
    """The App cannot be loaded."""


def load(named: str) -> "App":
    """Import an App. The current folder comes first, as it does for `python`.

    Raises:
        SettingMissing: the name is not MODULE:NAME, or there is no such module or name.
        AppBroken: the module raised; the line names its own line.
    """
    from actalog.app import App

    module_name, _, name = named.partition(":")
    if not module_name or not name:
        raise SettingMissing(f"--app or ACTALOG_APP is {named!r}; MODULE:NAME is wanted.")
    here_first()
    found = getattr(_module(module_name, named), name, None)
    if not isinstance(found, App):
        raise SettingMissing(f"--app or ACTALOG_APP is {named!r}: {_instead(found, name)}")
    for agent in found.agents:
        try:
            outside_tests(agent.model, who=f"agent {agent.id!r}")
        except BadCall as error:
            raise AppBroken(error.detail) from None
    return found


def _instead(found: object, name: str) -> str:
    """What is there in the App's place."""
    if isinstance(found, FunctionType):
        return f"{name} is a function; write `app = {name}()` in the module, and name that."
    called = "" if found is None else f", only a {type(found).__name__}"
    return f"no App is called {name} there{called}."


def here_first() -> None:
    """Modules of the current folder are found, before others of their name."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _module(name: str, named: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            hint = f" Write {name[:-3]} without .py." if name.endswith(".py") else ""
            raise SettingMissing(
                f"--app or ACTALOG_APP is {named!r}: there is no module {error.name}.{hint}"
            ) from error
        raise AppBroken(_where(error)) from error
    except (Exception, SystemExit) as error:  # a program, which nobody meant to import, may exit
        raise AppBroken(_where(error)) from error


def _where(error: BaseException) -> str:
    """`file.py:12: NameError: ...`, of the last line that is the author's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [
        one
        for one in traceback.extract_tb(error.__traceback__)
        if "importlib" not in one.filename and OURS not in Path(one.filename).parents
    ]
    at = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return f"{at}{type(error).__name__}: {error}"
