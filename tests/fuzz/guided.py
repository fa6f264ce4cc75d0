"""One target under atheris, in a process of its own: `python -m tests.fuzz.guided TARGET SECONDS
SEED FOLDER`. Ends with 77 when a finding was made; libFuzzer then says what it was."""

import importlib
import sys
from typing import Any

atheris: Any = importlib.import_module("atheris")  # not installed where nobody fuzzes; no types

with atheris.instrument_imports(include=["actalog_contracts", "actalog_core", "actalog_gateway",
                                         "actalog_llm"]):  # fmt: skip
    from tests.fuzz.targets import TARGETS


def main(name: str, seconds: str, seed: str, folder: str) -> None:
    limits = [f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10", "-rss_limit_mb=2048"]
    quiet = ["-print_final_stats=1", f"-artifact_prefix={folder}/finding-", "-verbosity=0"]
    atheris.Setup(["fuzz", *limits, *quiet, "-max_len=65536", folder], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
