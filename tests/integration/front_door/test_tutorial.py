"""What the tutorial shows works as it stands there."""

import re
from pathlib import Path

import pytest

from tests.integration.front_door.test_scripts import run

TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorials" / "first-agent.md"
BLOCKS = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_of_the_tutorial_runs(code: str, tmp_path: Path):
    _, told = run(tmp_path, code)
    assert "Traceback" not in told
