"""Other logins of the test database."""

from urllib.parse import urlsplit

from actalog_log.database import connect


async def login(dsn: str, name: str, *, with_: str = "") -> str:
    """The database as another login, made where there is none. It has the password of `dsn`."""
    connection = await connect(dsn)
    if not await connection.fetchval("select count(*) from pg_roles where rolname = $1", name):
        password = urlsplit(dsn).password
        await connection.execute(f"create role {name} login password '{password}' {with_}")
    await connection.close()
    return dsn.replace("//actalog:", f"//{name}:", 1)
