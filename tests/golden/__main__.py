"""`python -m tests.golden`: records what is not kept yet. What is kept is never written again."""

import asyncio

from actalog_core.canonical import content_digest
from actalog_log.memory import MemoryLog
from tests.golden.kept import FOLDER, SEALS, Kept, digest, paths, seals, written
from tests.golden.scenarios import SCENARIOS, Scenario, Scripted


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, scenario in SCENARIOS.items():
        if not (FOLDER / f"{name}.jsonl").exists():
            text = written(await played(scenario))
            (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")
    known = seals()
    told = {path.name: known.get(path.name) or digest(path) for path in paths()}
    SEALS.write_text("".join(f"{seal}  {name}\n" for name, seal in sorted(told.items())))


async def played(scenario: Scenario) -> list[Kept]:
    """The scenario's runs, played now."""
    world = Scripted(MemoryLog(), **scenario.set)
    pinned = content_digest(scenario.definition.model_dump_json().encode())
    await world.start(scenario.definition, pinned)
    await world.task(**scenario.task)
    if scenario.play is not None:
        await scenario.play(world)
    results = {one["run_id"]: one for one in await world.results() if "run_id" in one}
    runs = await world.log.list_runs("default")
    told = [
        Kept(
            run.row, scenario.definition, results.get(run.row.run_id),
            tuple(await world.log.read(run.row.run_no)),
        )
        for run in sorted(runs, key=lambda one: one.row.run_no)
    ]  # fmt: skip
    await world.bus.stop()
    return told


if __name__ == "__main__":
    asyncio.run(main())
