"""`make bench`: measures beside floors and peers in the same run, and prints what it measured.

`python -m tests.benchmarks [SECTION ...] [--json FILE]`
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop

from tests.benchmarks import (
    apart,
    backlog,
    costs,
    far,
    guarded,
    logs,
    one_call,
    overload,
    poison,
    storm,
    streams,
    supervisor,
)

Measured = Mapping[str, Mapping[str, float]]
SECTIONS: Mapping[str, Callable[[], Awaitable[Measured]]] = {
    "one_call": one_call.measure,
    "apart": apart.measure,
    "far": far.measure,
    "backlog": backlog.measure,
    "stream": streams.stream,
    "storm": storm.measure,
    "poison": poison.measure,
    "overload": overload.measure,
    "log": logs.log,
    "supervisor": supervisor.measure,
    "guarded": guarded.measure,
    "size": costs.size,
    "session": costs.session,
    "idle": costs.idle,
    "imports": costs.imports,
    "objects": costs.objects,
}


def shown(section: str, measured: Measured) -> str:
    """A Markdown table: what, and its figures."""
    lines = [f"### {section}", "", "| what | figures |", "| --- | --- |"]
    for what, figures in measured.items():
        told = ", ".join(f"{name} {value:,.2f}" for name, value in figures.items())
        lines.append(f"| {what} | {told} |")
    return "\n".join(lines) + "\n"


async def main(names: list[str], file: Path | None) -> None:
    """Measure the named sections, all when none is named."""
    every: dict[str, Measured] = {}
    for name in names or list(SECTIONS):
        every[name] = await SECTIONS[name]()
        print(shown(name, every[name]), flush=True)
    if file is not None:
        await asyncio.to_thread(file.write_text, json.dumps(every, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []])
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    uvloop.run(main(told.sections, told.json))
