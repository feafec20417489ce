"""PostgreSQL: a cluster of the stack's own, one role per owner or reader, one schema per worker."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import asyncio
import os
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from compose import envfile
from compose.servers import prepared, unprivileged
from compose.stack import Stack, replace
from compose.trouble import Trouble

BINARIES = Path("/usr/lib/postgresql")
VERSION_MIN = 15

# First what initdb found out about this machine, such as which kind of shared memory works.
CONFIGURATION = """\
include '{data}/postgresql.conf'
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
data_directory = '{data}'
hba_file = '{data}/pg_hba.conf'
ident_file = '{data}/pg_ident.conf'
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = 256MB
fsync = on
synchronous_commit = on
wal_compression = on
max_wal_size = 2GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u '
log_checkpoints = off
"""


def binary(name: str, major: int | None = None) -> Path | None:
    """The installed PostgreSQL program of that name: of version `major`, else the newest, 15 or newer."""
    found = [
        (int(folder.name), folder / "bin" / name)
        for folder in (BINARIES.iterdir() if BINARIES.exists() else ())
        if folder.name.isdecimal()
        and int(folder.name) >= VERSION_MIN
        and major in (None, int(folder.name))
        and (folder / "bin" / name).exists()
    ]
    return max(found)[1] if found else None


def _needed(name: str) -> str:
    path = binary(name)
    if path is None:
        raise Trouble("PostgreSQL is not installed.", fix="apt-get install -y postgresql", code=2)
    return str(path)


def prepare(stack: Stack, env: Mapping[str, str]) -> None:
    data = prepared.once(stack, "postgres", partial(_initdb, env[envfile.password_variable("admin")]))
    text = CONFIGURATION.format(port=stack.port("postgres"), data=str(data).replace("'", "''"))
    replace(stack.config / "postgres.conf", text)


def _initdb(password: str, data: Path) -> None:
    unprivileged.own(data)
    secret = data.with_name("postgres.password")
    replace(secret, password + "\n", mode=0o600)
    if os.geteuid() == 0:
        os.chown(secret, data.stat().st_uid, data.stat().st_gid)
    initdb = [
        _needed("initdb"), "--pgdata", str(data), "--username", envfile.ADMIN, "--pwfile", str(secret),
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums",
    ]  # fmt: skip
    try:
        made = subprocess.run(unprivileged.wrap(initdb, data), capture_output=True, text=True, cwd="/", check=False)
    finally:
        secret.unlink()
    if made.returncode:
        raise Trouble(f"PostgreSQL's initdb failed: {made.stderr.strip()[-800:]}")


def command(stack: Stack) -> list[str]:
    data = stack.data / "postgres"
    major = int((data / "PG_VERSION").read_text())
    server = binary("postgres", major)
    if server is None:
        raise Trouble(
            f"The stack's data was made by PostgreSQL {major}, which is not installed any more.",
            fix=f"apt-get install -y postgresql-{major}, or `{stack.command} reset` to begin with no data",
            code=2,
        )
    start = [str(server), "-D", str(data), "-c", f"config_file={stack.config / 'postgres.conf'}"]
    return unprivileged.wrap(start, data)


def ready(stack: Stack, env: Mapping[str, str]) -> str:
    """ "" once it accepts SQL and every role, schema and right is there; else what it waits for."""
    import asyncpg

    try:
        asyncio.run(_provision("127.0.0.1", stack.port("postgres"), env))
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        return f"PostgreSQL does not accept SQL yet ({type(error).__name__})"
    except asyncpg.InvalidPasswordError:
        return f"PostgreSQL refuses the password in {stack.env_file}: `{stack.command} reset` makes both anew"
    return ""


async def _provision(host: str, port: int, env: Mapping[str, str]) -> None:
    import asyncpg

    password = env[envfile.password_variable("admin")]
    at = f"postgresql://{envfile.ADMIN}:{password}@{host}:{port}"
    db = await asyncpg.connect(f"{at}/postgres", timeout=5, ssl=False)
    try:
        if not await db.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", envfile.DATABASE):
            await db.execute(f"CREATE DATABASE {envfile.DATABASE}")
    finally:
        await db.close()
    db = await asyncpg.connect(f"{at}/{envfile.DATABASE}", timeout=5, ssl=False)
    try:
        await db.execute(roles_sql(env))
    finally:
        await db.close()


def roles_sql(env: Mapping[str, str]) -> str:
    """Roles, schemas and rights; safe to run again. Each worker grants its views to others itself (views.sql)."""
    lines = [
        f"REVOKE ALL ON DATABASE {envfile.DATABASE} FROM PUBLIC;",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
    ]
    for role in (*envfile.SCHEMA_OWNERS, *envfile.READERS):
        password = env[envfile.password_variable(role)]
        if "'" in password or "\\" in password:
            raise ValueError(f"the password of {role} holds a quote or backslash")
        lines += [
            f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
            f"ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}';",
            f"GRANT CONNECT, TEMPORARY ON DATABASE {envfile.DATABASE} TO {role};",
        ]
    lines += [f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role};" for role in envfile.SCHEMA_OWNERS]
    return "\n".join(lines)


if __name__ == "__main__":
    # For compose.yaml, whose PostgreSQL comes from an image: the same roles, schemas and rights.
    asyncio.run(_provision(os.environ["POSTGRES_HOST"], int(os.environ["POSTGRES_PORT"]), os.environ))
