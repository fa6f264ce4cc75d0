"""Answers as they are written: a moving board on a terminal, finished answers everywhere."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from actalog.cli.output import compact, shorten
from actalog_core.visible import exact, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MOST = 12  # runs shown while they are written
MARKS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "blocked": ("■", "yellow"),
         "cancelled": ("-", "yellow"), "paused": ("?", "magenta")}  # fmt: skip


@dataclass
class _Writing:
    """The message that a run is writing now."""

    asked: str
    call: tuple[str, int] = ("", 0)
    pieces: dict[int, str] = field(default_factory=dict[int, str])

    def text(self) -> str:
        return "".join(self.pieces[at] for at in sorted(self.pieces))


class Board:
    """Shows runs by their id. As a context manager it owns the terminal's last lines."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._writing: dict[str, _Writing] = {}
        self._live: Any = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(
                console=self._console, refresh_per_second=10, transient=True,
                get_renderable=self._now,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def asked(self, run_id: str, text: str) -> None:
        """A task was published."""
        self._writing[run_id] = _Writing(text)

    def delta(self, told: dict[str, Any]) -> None:
        """More of a message. A higher epoch, or another call, begins anew (protocol 8.2)."""
        writing = self._writing.get(told.get("run_id", ""))
        if writing is None or told.get("kind", "text") != "text":
            return
        call = (told["call_id"], told["epoch"])
        if call[0] == writing.call[0] and call[1] < writing.call[1]:
            return
        if call != writing.call:
            writing.call, writing.pieces = call, {}
        writing.pieces[told["offset"]] = told["text"]

    def result(self, told: dict[str, Any]) -> None:
        """A run ended or paused."""
        import textwrap

        from rich.text import Text

        writing = self._writing.pop(told.get("run_id", ""), None)
        status = told.get("status", "refused")
        mark, colour = MARKS.get(status, ("✗", "red"))
        asked = shorten(writing.asked if writing else "", 90)
        target = told.get("target", "")
        about = (visible(target), "dim"), "  ", visible(asked)
        line = Text.assemble((f"{mark} {visible(status)}", colour), "  ", *about)
        self._console.print(line)
        said = answer(told) or "(nothing)"
        self._console.print(Text(visible(textwrap.indent(said, "    "))))

    def _now(self) -> "RenderableType":
        from rich.text import Text

        lines = [
            Text.assemble(
                ("… ", "cyan"),
                (visible(shorten(one.asked, 40)), "dim"),
                "  ",
                visible(_tail(one.text())),
            )
            for one in list(self._writing.values())[:MOST]
        ]
        left = len(self._writing) - MOST
        return Text("\n").join([*lines, *([Text(f"… and {left} more", "dim")] if left > 0 else [])])


def _tail(text: str, most: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else "…" + line[1 - most :]


def answer(told: dict[str, Any]) -> str:
    """What a result says: its output, its error, or what it waits for."""
    if told.get("error"):
        return f"{told['error']['code']}: {told['error']['message']}"
    if told.get("status") == "cancelled":
        return "the run was cancelled"
    if told.get("status") == "paused":
        return "waits for a person:\n" + "\n".join(map(_waits, told["requirements"]))
    if reference := told.get("output_ref"):
        return f"{reference['bytes']} bytes: {reference['url']}"
    return compact(told.get("output"))


def _waits(required: dict[str, Any]) -> str:
    """What it is about, and the command that lets it go on."""
    call: dict[str, Any] = required.get("tool_call") or {}
    about = exact(f"{call['name']}({compact(call.get('arguments'))}): ") if call else ""
    # Nobody approves what may have been done: somebody looks whether it was, and says so.
    answered = "--done or --not-done" if required.get("kind") == "in_doubt" else "--approve"
    return f"{about}actalog resolve {required['run_id']} {required['id']} {answered}"
