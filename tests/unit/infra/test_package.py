"""The wheel: whole, and typed for those who install it."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of what is in it."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    with zipfile.ZipFile(made) as opened:
        return set(opened.namelist())


def test_it_has_every_file_of_every_package_and_nothing_else(wheel: set[str]):
    roots = [ROOT, *(ROOT / one for one in ("contracts", "shared", "services"))]
    found = {
        str(file.relative_to(root))
        for root in roots for package in root.glob("actalog*/") for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }  # fmt: skip
    assert {one for one in wheel if ".dist-info/" not in one} == found


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_find_its_types(package: str, wheel: set[str]):
    assert f"{Path(package).name}/py.typed" in wheel


def test_every_service_has_its_extra_and_all_has_each():
    from actalog.names import NAMES

    extras: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    assert {*NAMES} <= extras.keys()
    (every,) = extras["all"]
    assert {*every.removeprefix("actalog[").removesuffix("]").split(",")} == (
        extras.keys() - {"all", "dev"}
    )
