"""`actalog recover` from a shell: services say why they refuse, and go on by themselves after it."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from tests.acceptance.outside import Outside
from tests.acceptance.processes import Fleet, run
from tests.integration.recovery.world import World

pytestmark = [pytest.mark.apache, pytest.mark.postgres, pytest.mark.timeout(200)]


async def actalog(*arguments: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "actalog", *arguments], text=True,
        env={**os.environ, **env}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def readiness(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as said:
            return json.loads(said.read())
    except urllib.error.HTTPError as refused:
        return json.loads(refused.read())
    except OSError:
        return {"missing": []}


async def says(port: int, what: str) -> str:
    async with asyncio.timeout(40):
        while True:
            told = " ".join((await asyncio.to_thread(readiness, port)).get("missing", []))
            if what in told:
                return told
            await asyncio.sleep(0.2)


async def test_services_refuse_until_recover_has_been_run(
    apache_kafka: ApacheKafka, tmp_path: Path
):
    world = World(tmp_path, apache_kafka.bootstrap, embedded=False)
    await world.begin()
    fleet = Fleet({}, tmp_path)
    try:
        await world.worked("before")
        await world.keep_copy()
        await world.worked("after")
        await world.put_back()
        fleet.env = {
            "ACTALOG_KAFKA": apache_kafka.bootstrap, "ACTALOG_DATABASE_URL": world.dsn,
            "ACTALOG_TOPIC_PREFIX": world.prefix, "OPENAI_API_KEY": "k",
            "OPENAI_BASE_URL": str(world.settings.openai_base_url), "ACTALOG_PARTITIONS": "2",
        }  # fmt: skip
        env = {**fleet.env, "ACTALOG_HOME": str(tmp_path / "elsewhere")}
        names = ("conductor", "llm", "context", "gateway")
        for name in names:
            fleet.spawn(name)
        for name in names:
            said = await says(fleet.health[f"{name}-0"], "worked on last")
            assert "actalog recover" in said
        up = await actalog("up", "--app", "actalog.examples.support_desk.app:app", env=env)
        assert up.returncode == 2
        assert "run `actalog recover`" in up.stderr
        found = await actalog("recover", "--dry-run", "--json", env=env)
        assert json.loads(found.stdout)["brought_back"][0]["run_id"] == "after"
        done = await actalog("recover", env=env)
        assert (done.returncode, done.stderr) == (0, "")
        assert "brought back" in done.stdout
        for name in names:  # they have waited
            await fleet.ready(f"{name}-0")
        async with Outside(apache_kafka.bootstrap, world.prefix) as outside:
            await outside.send({"target": "a", "input": "hello", "run_id": "later"})
            found = await outside.wait_for({"before", "after", "later"}, within_s=60)
        assert {told["status"] for told in found.values()} == {"completed"}
        again = await actalog("recover", "--json", env=env)
        assert (again.returncode, json.loads(again.stdout)) == (0, {"reasons": []})
        run("runs", env=env)
    finally:
        await fleet.stop()
        await world.end()
