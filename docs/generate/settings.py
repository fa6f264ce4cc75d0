"""From the settings class: names, defaults, and what stands below each field."""

import ast
import inspect
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from actalog_core import settings
from actalog_core.crashpoints import POINTS
from actalog_core.settings import MAPPINGS, PROVIDERS, Settings, variable
from actalog_llm.providers import PROVIDERS as KNOWN
from docs.generate.tables import code, page, table

ABOUT = """\
Every setting is an environment variable, read once when a process starts. An empty one counts as not given. Each can
be given as `NAME_FILE` as well, which names a file that has the value: use that for secrets. A value that is not of
its type ends the command with a line that names the variable; `actalog doctor` names variables that nobody reads.

[`.env.example`](../../.env.example) has all of them with their defaults."""
PROVIDERS_ABOUT = """\
## Other providers

Each has a key and an address of this form; the address replaces the provider's own."""
STANDARD = """\
## Traces and model SDKs

`OTEL_*` are OpenTelemetry's own: traces are exported where `OTEL_EXPORTER_OTLP_ENDPOINT` (or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_TRACES_EXPORTER`) is set, the extra `actalog[otel]` is installed, and
`OTEL_SDK_DISABLED` is not `true`. `OTEL_SERVICE_NAME` is `actalog-<service>` unless it is set."""

CRASHPOINTS = """\
## Crash points

To rehearse what a death at a bad moment does, `ACTALOG_CRASHPOINT` names a point at which one process kills itself
with SIGKILL: `tools` with `calls.worked:2` ends when the second call has acted and its outcome is not stored. `name:n`
is the n-th passage since the process started (the first where it is left out); `name:n:stop` stops it instead, as a
long pause does, until it gets SIGCONT. A line on stderr tells that it happened. Any command takes it; set it for one
process, never for a platform that works."""


def described() -> dict[str, str]:
    """The docstring below each field."""
    (found,) = [
        one
        for one in ast.parse(Path(inspect.getfile(settings)).read_text()).body
        if isinstance(one, ast.ClassDef) and one.name == "Settings"
    ]
    told: dict[str, str] = {}
    for at, one in enumerate(found.body[:-1]):
        match one, found.body[at + 1]:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                told[name] = text
            case _:
                pass
    return told


def page_rows() -> list[tuple[str, str, str, str]]:
    """(variable, type, default, what it does) of every field that is one variable."""
    told = described()
    return [
        (code(variable(name)), _type(info.annotation), code(info.default), told[name])
        for name, info in Settings.model_fields.items()
        if name not in MAPPINGS
    ]


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(code(one) for one in get_args(annotation))
    return "number" if annotation is int else "text"


def written() -> str:
    """The page."""
    rows = (
        (code(f"{name.upper()}_API_KEY"), code(f"{name.upper()}_BASE_URL"), code(KNOWN[name].base_url))
        for name in PROVIDERS
    )  # fmt: skip
    return page(
        "Settings", ABOUT, table(["variable", "value", "default", ""], page_rows()),
        PROVIDERS_ABOUT, table(["key", "address", "the provider's own"], rows), STANDARD,
        CRASHPOINTS, table(["point", "there"], ((code(name), said) for name, said in POINTS.items())),
    )  # fmt: skip
