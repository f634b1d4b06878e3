"""PostgreSQL's data: one server for all variants, and a database for each.

Letta's migrations take a while and make no tables at its start, so they run once, into a blank database of which the
variants' databases are copies.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tests.stack.errors import StackError
from tests.stack.folders import being_built, key_of, live
from tests.stack.install import BINARIES_LOCK, LETTA_LOCK, Installed
from tests.stack.progress import tell
from tests.stack.variants import Variant, postgres_port

# Any user that may do nothing will do; this one is on every Linux, and initdb wants one with a name.
UNPRIVILEGED = "nobody"


def postgres_user() -> str | None:
    """The user PostgreSQL runs as: it refuses to run as root."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam(UNPRIVILEGED).pw_name
    except KeyError:
        raise StackError(f"PostgreSQL needs a user that isn't root, and there is no {UNPRIVILEGED!r} here.") from None


def data_folder(installed: Installed) -> Path:
    """PostgreSQL's data, made when it is missing."""
    data = live() / f"data-{key_of(BINARIES_LOCK)}"
    if data.exists():
        return data
    tell("making the database")
    with being_built(data) as building:
        user = postgres_user()
        if user:
            shutil.chown(building, user)
        building.chmod(0o700)
        options = ["--username=letta", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        command = [installed.postgres_bin / "initdb", "-D", building, *options]
        done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"initdb failed:\n{done.stderr.strip()}")
    return data


def is_accepting(installed: Installed) -> bool:
    """Whether PostgreSQL takes connections."""
    command = [installed.postgres_bin / "pg_isready", "-h", "127.0.0.1", "-p", str(postgres_port()), "-U", "letta"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def database_uri(variant: Variant) -> str:
    """The variant's own database."""
    return _uri(_database_name(variant))


def make_database(installed: Installed, variant: Variant) -> None:
    """A migrated database for the variant, unless it has one."""
    blank, mine = f"blank_{_key()}", _database_name(variant)
    if not _exists(installed, blank):
        _make_blank(installed, blank)
    if not _exists(installed, mine):
        _sql(installed, f'create database "{mine}" template "{blank}"')


def _make_blank(installed: Installed, blank: str) -> None:
    tell("running Letta's migrations (once)")
    building = f"{blank}_building"
    _sql(installed, f'drop database if exists "{building}"')
    _sql(installed, f'create database "{building}"')
    _sql(installed, "create extension vector", database=building)
    # The migrations' driver rejects the `sslmode` that Letta needs.
    work = live("work", "migrations")
    environment = {"PATH": os.defpath, "HOME": str(work), "LETTA_DIR": str(work), "LETTA_PG_URI": _uri(building)}
    command = [installed.python, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(
        command, cwd=installed.migrations, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StackError(f"Letta's migrations failed:\n{done.stderr.strip()[-2000:]}")
    _sql(installed, f'alter database "{building}" rename to "{blank}"')


def _exists(installed: Installed, database: str) -> bool:
    return _sql(installed, f"select 1 from pg_database where datname = '{database}'") == "1"  # noqa: S608


def _sql(installed: Installed, statement: str, *, database: str = "postgres") -> str:
    quiet = ["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]
    command = [installed.postgres_bin / "psql", *quiet, "-d", _uri(database), "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"PostgreSQL rejected a statement of ours:\n{done.stderr.strip()}")
    return done.stdout.strip()


def _database_name(variant: Variant) -> str:
    return f"letta_{variant.name.replace('-', '_')}_{_key()}"


def _key() -> str:
    return key_of(LETTA_LOCK)


def _uri(database: str) -> str:
    return f"postgresql://letta:letta@127.0.0.1:{postgres_port()}/{database}"
