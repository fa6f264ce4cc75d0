"""Guided by coverage where atheris is installed, else blind mutants of the corpus; each target for
some seconds.

python -m tests.fuzz [TARGET ...] [--seconds 10] [--seed 1] [--blind]
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutation import mutants
from tests.fuzz.targets import TARGETS


def blind(name: str, seconds: float, seed: int) -> bytes | None:
    """The first input that is a finding."""
    target, until = TARGETS[name], time.monotonic() + seconds
    for count, data in enumerate(mutants(target.corpus(), seed)):
        try:
            target.run(data)
        except Exception as error:  # noqa: BLE001, whatever it is
            print(f"{name}: {type(error).__name__}: {error}")
            return data
        if time.monotonic() > until:
            print(f"{name}: nothing in {count:,} mutants")
            return None
    return None


def guided(name: str, seconds: float, seed: int) -> bytes | None:
    """The same by atheris, in a process of its own: it ends its process."""
    with tempfile.TemporaryDirectory(prefix="actalog-fuzz-") as folder:
        for at, data in enumerate(TARGETS[name].corpus()):
            (Path(folder) / f"seed-{at}").write_bytes(data)
        command = [sys.executable, "-m", "tests.fuzz.guided", name]
        ended = subprocess.run(
            [*command, str(int(seconds)), str(seed), folder], capture_output=True, text=True,
            timeout=seconds + 120, check=False,
        )  # fmt: skip
        runs = [line for line in ended.stderr.splitlines() if "number_of_executed" in line]
        found = sorted(Path(folder).glob("finding-*"))
        if ended.returncode == 0 and not found:
            print(f"{name}: nothing in {int(runs[0].split()[-1]) if runs else 0:,} runs")
            return None
        lines = (ended.stdout + ended.stderr).splitlines()
        print(f"{name}:", *(line for line in lines if "Instrumenting" not in line), sep="\n  ")
        return found[0].read_bytes() if found else b""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    parser.add_argument("--seconds", type=float, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("--input", type=Path, help="one input alone, with its traceback")
    told = parser.parse_args()
    if told.input:
        TARGETS[told.targets[0]].run(told.input.read_bytes())
        return 0
    by_coverage = not told.blind and importlib.util.find_spec("atheris") is not None
    if not by_coverage:
        print("blind mutants; tests/fuzz/requirements.txt has what is guided by coverage")
    found = 0
    for name in told.targets or TARGETS:
        data = (guided if by_coverage else blind)(name, told.seconds, told.seed)
        if data is not None:
            found += 1
            kept = Path(tempfile.mkdtemp(prefix="actalog-fuzz-")) / f"{name}.bin"
            kept.write_bytes(data)
            print(
                f"  {data[:200]!r}\n  kept: {kept}, again: python -m tests.fuzz {name} --input {kept}"
            )
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
