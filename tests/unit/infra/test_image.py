"""The one image: what it says of itself, and that nothing it leaves out is missed."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from actalog.names import NAMES

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
LEFT_OUT: set[str] = set(
    " ".join(re.findall(r"pip uninstall --yes --quiet ((?:.*\\\n)*.*)", DOCKERFILE))
    .replace("\\\n", " ")
    .split()
)


def test_it_runs_as_nobody_of_importance_and_reads_the_authors_code_from_its_folder():
    lines = STAGE.splitlines()
    assert [one for one in lines if one.startswith("USER")] == ["USER actalog"]
    assert "--uid 10001" in STAGE
    assert "WORKDIR /app" in lines
    assert "PYTHONPATH=/app" in STAGE
    assert [one for one in lines if one.startswith("ENTRYPOINT")] == ['ENTRYPOINT ["actalog"]']


def test_what_it_copies_is_there():
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        assert [one for one in sources if not (ROOT / one).exists()] == []


def test_an_author_can_add_packages_to_it():
    assert "pip" not in LEFT_OUT


def _modules(distributions: set[str]) -> set[str]:
    """What can be imported of them."""
    of = importlib.metadata.packages_distributions()
    names = {one.lower().replace("_", "-") for one in distributions}
    return {
        module for module, owners in of.items()
        if any(one.lower().replace("_", "-") in names for one in owners)
    }  # fmt: skip


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError("not in the image: " + name, name=name)
sys.meta_path.insert(0, Absent())
import actalog.cli.alone, actalog.cli.main, actalog_{service}.app
from actalog.cli import (
    deploy, doctor, examining, migrate, reach, service, topics, waiting, author, sending, following)
from actalog.scripted_models import scripted_unless_named
"""


@pytest.mark.parametrize("service", NAMES)
def test_a_service_needs_nothing_that_the_image_leaves_out(service: str):
    absent = sorted(_modules(LEFT_OUT))
    assert {"pytest", "hypothesis"} <= set(absent)
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(absent=absent, service=service)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_app_in_a_folder_that_has_packages_of_our_names_is_loaded(tmp_path: Path):
    for name in ("shared", "services", "contracts"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OURS = True\n")
    (tmp_path / "my_module.py").write_text(
        "import shared, services, contracts\n"
        "from actalog import Agent, App\n"
        "assert shared.OURS and services.OURS and contracts.OURS\n"
        "app = App(agents=[Agent(name='mine', model='openai:m')])\n"
    )
    code = "from actalog.cli.author import load; print(load('my_module:app').agents[0].id)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=60, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("mine", 0), done.stderr
