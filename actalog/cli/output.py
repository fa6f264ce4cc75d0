"""What commands write: tables for people, JSON for machines."""

import sys
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from actalog_core.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

PAGE = 1_000  # rows of a table; nothing has all rows of a long one
PIPED_WIDTH = 180  # a file has no width; ids must not be broken


def console() -> "Console":
    """The terminal, or plain text where stdout is none."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the process with status 1: found wrong

    if sys.stdout.isatty():
        return Ours(highlight=False)
    return Ours(highlight=False, width=PIPED_WIDTH, soft_wrap=True)


def mark(fine: bool) -> tuple[str, str]:
    """A mark and its colour, in letters that the terminal has: two that it lacks look alike."""
    try:
        "✓✗".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ("+", "green") if fine else ("!", "red")
    return ("✓", "green") if fine else ("✗", "red")


@contextmanager
def progress(what: str, *, shown: bool) -> "Generator[Callable[[int], None]]":
    """Counts on a terminal while long work goes on; `shown` is false where machines read."""
    if not (shown and sys.stderr.isatty()):
        yield lambda count: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda count: status.update(f"{what}: {count}")


def plain(value: Any) -> Any:
    """Messages and dataclasses as JSON data; each dataclass names its type as `state`."""
    from pydantic import BaseModel

    from actalog_core.clock import rfc3339

    match value:
        case BaseModel():
            return value.model_dump(mode="json", exclude_none=True)
        case datetime():
            return rfc3339(value)
        case bytes():
            return value.hex()
        case dict():
            return {str(name): plain(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _ if is_dataclass(value):
            return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        case _:
            return value


def compact(value: Any) -> str:
    """Text as it is, nothing for None, anything else as JSON in one line."""
    import json

    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def write_json(value: Any) -> None:
    """One JSON document on stdout."""
    import json

    print(visible(json.dumps(plain(value), ensure_ascii=False, indent=2)))


async def write_json_list(values: AsyncIterable[Any]) -> None:
    """A list as `write_json` writes it, each value as it comes."""
    import json

    begun = False
    async for one in values:
        text = json.dumps(plain(one), ensure_ascii=False, indent=2).replace("\n", "\n  ")
        print(visible(f"{',' if begun else '['}\n  {text}"), end="")
        begun = True
    print("\n]" if begun else "[]")


async def long_table(
    titles: Sequence[str], rows: AsyncIterable[Sequence[object]], *, none: str
) -> None:
    """A table, page by page as its rows come."""
    page: list[Sequence[object]] = []
    begun = False
    async for row in rows:
        page.append(row)
        if len(page) == PAGE:
            table(titles, page, none=none, goes_on=begun)
            page, begun = [], True
    if page or not begun:
        table(titles, page, none=none, goes_on=begun)


def table(
    titles: Sequence[str], rows: Iterable[Sequence[object]], *, none: str, goes_on: bool = False
) -> None:
    """A table, or the line `none` where there are no rows. One that goes on has no titles."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False, show_header=not goes_on)
    for title in titles:
        made.add_column(title, overflow="fold", min_width=len(title) if goes_on else None)
    for row in rows:
        made.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    console().print(made if made.row_count else none)


def shorten(text: str, most: int = 80) -> str:
    """One line of at most that many code points."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def counted(count: int, one: str, many: str) -> str:
    """`1 memory`, `2 memories`."""
    return f"{count} {one if count == 1 else many}"
