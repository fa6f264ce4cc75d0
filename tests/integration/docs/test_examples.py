"""Python on the pages runs as it stands there, without a key.

A block that cannot run says so behind its fence: `python platform` needs a platform beside it (the
acceptance tests run these), `python sketch` something that is not installed here.
"""

from pathlib import Path

import pytest

from tests.integration.front_door.test_scripts import run
from tests.unit.docs.pages import PAGES, ROOT, Block, blocks

MARKS = ("python", "python platform", "python sketch")
ALL = [block for page in PAGES for block in blocks(page) if block.info.startswith("python")]
RUN = {
    page: [block for block in ALL if block.page == page and block.info == "python"]
    for page in dict.fromkeys(block.page for block in ALL)
}
RUNNER = """\
import runpy, sys
for name in sys.argv[1:] or {names!r}:
    print("running", name, flush=True)
    runpy.run_path(name, run_name="__main__")
"""


@pytest.mark.parametrize("page", [page for page, found in RUN.items() if found])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path):
    names: list[str] = []
    for block in RUN[page]:
        names.append(f"{Path(page).stem.replace('-', '_')}_{block.line}.py")
        (tmp_path / names[-1]).write_text(block.text)
    _, told = run(tmp_path, RUNNER.format(names=names))
    assert "Traceback" not in told


@pytest.mark.parametrize("block", ALL, ids=lambda block: f"{block.page}:{block.line}")
def test_code_is_marked_as_what_it_is_and_compiles(block: Block):
    assert block.info in MARKS
    compile(block.text, block.page, "exec")


def test_readers_find_code_that_runs_first():
    assert any(block.page == "README.md" for block in ALL)
    assert (ROOT / "README.md").read_text().count("```sh") >= 1
