"""What the pages tell to run beside a platform runs there, block for block as it stands."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actalog_bus.processes import free_port
from tests.acceptance.home import Home
from tests.unit.docs.pages import PAGES, Block, blocks

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240)]
FOUND = [block for page in PAGES for block in blocks(page) if block.info.endswith(" platform")]
PROGRAMS = {"python": [sys.executable, "-"], "sh": ["bash", "-euo", "pipefail"]}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.end()


def run(block: Block, home: Home, *, kafka: int, http: int) -> str:
    """Its standard output. Ports of the pages become those of this platform."""
    code = block.text.replace("localhost:9092", f"localhost:{kafka}")
    code = code.replace("localhost:7777", f"localhost:{http}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        PROGRAMS[block.info.split()[0]], input=code, env={**home.env, "PATH": path},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{block.page}:{block.line}\n{code}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages use curl")
def test_every_block_for_a_platform_runs(home: Home):
    kafka, http = free_port(), free_port()
    home.up("--kafka-port", str(kafka), "--port", str(http))
    told = [run(block, home, kafka=kafka, http=http) for block in FOUND]
    assert len(told) >= 5
    whole = "\n".join(told)
    assert "completed Order 1042" in whole
    assert "run.completed" in whole
    assert "0 differ" in whole
    assert "asked-1:t1.0:confirm" in whole
    assert "Order 1042 was paid back." in whole


def test_a_block_that_fails_is_found(home: Home):
    with pytest.raises(AssertionError, match=r"page\.md:3"):
        run(Block("page.md", 3, "sh platform", "true\nfalse\ntrue\n"), home, kafka=1, http=2)
