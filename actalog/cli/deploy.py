"""`actalog deploy`."""

from actalog.cli.common import AppOption, Json, carry_out


def deploy(app: AppOption = None, json: Json = False) -> None:
    """Register the definitions of an App; say what changed."""
    carry_out(_deploy(app, json))


async def _deploy(named: str | None, json: bool) -> None:
    from actalog.cli.author import load
    from actalog.cli.output import table, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.registry import register
    from actalog_core.errors import SettingMissing

    reach = Reach.from_env()
    told = named or reach.settings.app
    if told is None:
        raise SettingMissing("say which App: --app MODULE:NAME, or set ACTALOG_APP.")
    author = load(told)
    async with open_log(reach.dsn) as log:
        changes = await register(log, author.definitions())
    if json:
        write_json(changes)
    else:
        rows = ((one.target, one.what, one.digest) for one in changes)
        table(["target", "", "digest"], rows, none="The App has no definitions.")
