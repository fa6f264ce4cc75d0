"""Parts start in order and stop in reverse, whatever goes wrong with one of them."""

import pytest
from structlog.testing import capture_logs

from actalog_core.service import Service


class Part:
    """Notes what it is told; `breaks` is where it fails."""

    def __init__(self, name: str, told: list[str], *, breaks: str = "") -> None:
        self.name, self.told, self.breaks = name, told, breaks

    async def start(self) -> None:
        self._do("start")

    async def stop(self) -> None:
        self._do("stop")

    def ready(self) -> str | None:
        return None

    def _do(self, what: str) -> None:
        self.told.append(f"{what} {self.name}")
        if what == self.breaks:
            raise RuntimeError(f"{self.name} does not {what}")


async def test_one_that_does_not_stop_is_told_of_and_keeps_no_other_from_it():
    told: list[str] = []
    service = Service("s", [Part("a", told), Part("b", told, breaks="stop"), Part("c", told)])
    await service.start()
    with capture_logs() as logs:
        await service.stop()
    assert told == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]
    assert [one["event"] for one in logs] == ["did not stop in order"]
    assert "b does not stop" in logs[0]["error"]


async def test_what_had_started_is_stopped_when_one_does_not_start():
    told: list[str] = []
    service = Service("s", [Part("a", told), Part("b", told, breaks="start"), Part("c", told)])
    with pytest.raises(RuntimeError, match="b does not start"):
        await service.start()
    assert told == ["start a", "start b", "stop a"]
