"""The services' login: it may add to the log and read it. Who migrates owns the tables, could switch
off what keeps the log from being changed, and so should not be whom services work as."""

import base64
import hashlib
import hmac
import secrets

from actalog_core.errors import Permanent, SettingMissing
from actalog_log.database import Connection, connect
from actalog_log.migrate import LOCK

ROUNDS = 4_096  # PostgreSQL's own number
# Of whatever it is a member of, too: an owner's rights, or a superuser's.
_MAY_CHANGE = """
    select bool_or(pg_has_role($1, relowner, 'member')
                   or has_table_privilege($1, oid, 'update, delete, truncate, trigger'))
    from pg_class where oid in ('runs'::regclass, 'events'::regclass)
"""


class LoginMayChangeTheLog(Permanent):
    """Services want a login that cannot change the log; this one may:"""


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5802, RFC 7677). Made here, no statement has the
    password: a server may be told to write statements to its log.

    Raises:
        SettingMissing: it has letters that client and server may spell differently.
    """
    if not password or not (password.isascii() and password.isprintable()):
        raise SettingMissing("ACTALOG_LOGIN_PASSWORD: printable letters of ASCII are wanted.")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    told = (base64.b64encode(one).decode() for one in (
        salt, stored, hmac.digest(salted, b"Server Key", "sha256")))  # fmt: skip
    return "SCRAM-SHA-256${}:{}${}:{}".format(ROUNDS, *told)


async def make_login(dsn: str, name: str, password: str) -> bool:
    """Make a login that has the services' role, or give the one that is there this password; whether
    it is new. The database is migrated.

    Raises:
        LoginMayChangeTheLog: it owns the log, or is a superuser, or a member of who may.
        SettingMissing: the password cannot be used.
    """
    kept = verifier(password)
    connection = await connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
            new = await _write(connection, name, kept)
            if await connection.fetchval(_MAY_CHANGE, name):
                raise LoginMayChangeTheLog(name)
            return new
    finally:
        await connection.close()


async def _write(connection: Connection, name: str, kept: str) -> bool:
    there = await connection.fetchval(
        "select exists (select from pg_roles where rolname = $1)", name
    )
    verb = "alter" if there else "create"
    for sql, *words in (
        (f"{verb} role %I login password %L", name, kept),
        ("grant actalog_service to %I", name),
    ):
        told = await connection.fetchval("select format($1, variadic $2::text[])", sql, words)
        await connection.execute(told)
    return not there
