"""`actalog migrate`."""

from typing import Annotated

import typer

from actalog.cli.common import Json, carry_out


def migrate(
    login: Annotated[str | None, typer.Option("--login", metavar="NAME", help="Make a login for "
                                              "services as well: with ACTALOG_LOGIN_PASSWORD, and "
                                              "without the right to change the log.")] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Bring the database to this build's migrations."""
    carry_out(_migrate(login, json))


async def _migrate(login: str | None, json: bool) -> None:
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach
    from actalog.cli.waiting import migrated, with_login
    from actalog_core.errors import SettingMissing

    reach = Reach.from_env()
    password = reach.settings.login_password
    if login is not None and password is None:
        raise SettingMissing("ACTALOG_LOGIN_PASSWORD: the password that the login is to have.")
    applied = await migrated(reach.dsn)
    told: dict[str, object] = {"applied": applied}
    said = [f"applied {name}" for name in applied] or ["nothing to apply"]
    if login is not None and password is not None:
        new = await with_login(reach.dsn, login, password)
        told["login"] = login
        said.append(f"login {login} {'is new' if new else 'has this password'}")
    write_json(told) if json else print("\n".join(said))
