"""One answer, written as it comes."""

import sys
from typing import Any

from actalog.cli.following import Follower
from actalog_core.visible import visible


class Answer:
    """Follows one run. Two attempts are never spliced: a new one begins on a new line."""

    def __init__(self, run_id: str, *, write: bool) -> None:
        self.run_id, self._write = run_id, write
        self._call = ("", 0)
        self._at = 0  # how many code points of the open message were written
        self._written = ""

    async def result(self, follower: Follower) -> dict[str, Any]:
        """The run's result, or the refusal of its task."""
        async for told in follower.messages():
            if told.get("run_id") != self.run_id:
                continue
            match told.get("type"):
                case "stream.delta.v1":
                    self._delta(told)
                case "run.result.v1" | "message.refused.v1":
                    return told
                case _:
                    pass
        raise AssertionError("messages() never ends")

    def finish(self, whole: str) -> None:
        """The whole answer, or what is left of it to write."""
        if whole.startswith(self._written):
            self._put(whole[len(self._written) :] + "\n")
        else:  # deltas were lost, or a review changed the text
            self._put(("\n" if self._written else "") + whole + "\n")

    def _delta(self, told: dict[str, Any]) -> None:
        if not self._write or told.get("kind", "text") != "text":
            return
        call = (told["call_id"], told["epoch"])
        if call[0] == self._call[0] and call[1] < self._call[1]:
            return
        if call != self._call:
            if self._written:
                self._put("\n")
            self._call, self._at, self._written = call, 0, ""
        if told["offset"] == self._at:
            self._at += len(told["text"])
            self._written += told["text"]
            self._put(told["text"])

    def _put(self, text: str) -> None:
        sys.stdout.write(visible(text))
        sys.stdout.flush()
