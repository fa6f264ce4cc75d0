import asyncio
from collections.abc import AsyncIterator

import pytest

from actalog_core import metrics
from actalog_core.errors import SettingMissing
from actalog_core.health import HealthServer


class Watched:
    """A service whose readiness the test decides."""

    def __init__(self) -> None:
        self.lacks: list[str] = []
        self.server = HealthServer("tools", missing=self.missing, host="127.0.0.1", port=0)

    async def missing(self) -> list[str]:
        return self.lacks

    async def send(self, raw: bytes) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(raw)
        if raw.endswith(b"\r\n\r\n"):
            said = await reader.read()
        else:
            writer.write_eof()
            said = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = said.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, body.decode()

    async def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        return await self.send(f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    found = Watched()
    await found.server.start()
    yield found
    await found.server.stop()


async def test_a_service_that_answers_is_live(watched: Watched):
    watched.lacks = ["bus: no broker"]
    assert await watched.get("/health/live") == (200, '{"status":"live","service":"tools"}')


async def test_ready_says_what_is_missing(watched: Watched):
    assert (await watched.get("/health/ready"))[0] == 200
    watched.lacks = ["bus: no broker"]
    status, body = await watched.get("/health/ready?verbose=1")
    assert status == 503
    assert "bus: no broker" in body


async def test_metrics_are_shown_with_readiness(watched: Watched):
    status, body = await watched.get("/metrics")
    assert status == 200
    assert 'actalog_ready{service="tools"} 1.0' in body


async def test_head_has_no_body(watched: Watched):
    assert await watched.get("/health/live", "HEAD") == (200, "")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /health/live", 0),
        (b"G" * 20_000, 0),
    ],
)
async def test_what_is_no_request_harms_nobody(watched: Watched, raw: bytes, status: int):
    assert (await watched.send(raw))[0] == status
    assert (await watched.get("/health/live"))[0] == 200


def test_every_metric_is_ours_and_described():
    assert len(metrics.names()) == len(set(metrics.names()))
    for family in metrics.REGISTRY.collect():
        assert family.documentation


async def test_a_port_that_is_taken_is_told_by_its_setting(watched: Watched):
    port = watched.server.port
    other = HealthServer("llm", missing=watched.missing, host="127.0.0.1", port=port)
    with pytest.raises(SettingMissing, match=f"ACTALOG_HEALTH_PORT: port {port} is taken"):
        await other.start()
    nowhere = HealthServer("llm", missing=watched.missing, host="192.0.2.1", port=0)
    with pytest.raises(SettingMissing, match=r"ACTALOG_HOST 192\.0\.2\.1: "):
        await nowhere.start()
