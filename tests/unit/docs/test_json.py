"""JSON on the pages is what the platform takes."""

import json

import pytest

from actalog_contracts.border import BadInput, decode
from tests.unit.docs.pages import PAGES, Block, blocks

FOUND = [block for page in PAGES for block in blocks(page) if block.info == "json"]


@pytest.mark.parametrize("block", FOUND, ids=lambda block: f"{block.page}:{block.line}")
def test_a_task_is_accepted_at_the_border(block: Block):
    assert decode(block.text.encode(), {}).message.target == json.loads(block.text)["target"]  # pyright: ignore


def test_a_task_with_a_typo_is_not():
    assert FOUND
    with pytest.raises(BadInput):
        decode(FOUND[0].text.replace('"target"', '"taget"').encode(), {})
