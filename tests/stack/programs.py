"""The four programs of a stack: how each is run, and how it shows that it is ready."""

import os
import signal
import socket
import sys
from pathlib import Path

import httpx

from tests.stack.database import data_folder, database_uri, is_accepting, postgres_user
from tests.stack.detached import Program
from tests.stack.folders import ROOT, key_of, live
from tests.stack.install import Installed
from tests.stack.variants import Variant, model_port, postgres_port

PATH = os.defpath


def postgres(installed: Installed) -> Program:
    """PostgreSQL with pgvector. Its data is kept from one start to the next, and is nothing one would miss."""
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    local = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
    # Four Lettas with a pool of 150 each.
    options = {**quick, **local, "max_connections": "650", "shared_buffers": "128MB"}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    data = data_folder(installed)
    command = [str(installed.postgres_bin / "postgres"), "-D", str(data), "-p", str(postgres_port()), *settings]
    return Program(
        name="postgres",
        command=command,
        port=postgres_port(),
        is_ready=lambda: is_accepting(installed),
        settings=key_of(*command),
        environment={"PATH": PATH},
        user=postgres_user(),
        # "Fast": clients are cut off, where SIGTERM would wait for them.
        stop_signal=signal.SIGINT,
    )


def redis(installed: Installed, variant: Variant) -> Program:
    """Redis with nothing on disk."""
    port = variant.redis_port
    nothing_kept = ["--save", "", "--appendonly", "no"]
    return Program(
        name=f"redis-{variant.name}",
        command=[str(installed.redis_server), "--port", str(port), "--bind", "127.0.0.1", *nothing_kept],
        port=port,
        is_ready=lambda: _redis_answers(port),
        settings=installed.redis_server.parts[-4],
        environment={"PATH": PATH},
        folder=live("work"),
    )


def model() -> Program:
    """The scripted model, run by our own Python; a change of the script is reason enough to start it anew."""
    port = model_port()
    sources = [Path(__file__).with_name(name) for name in ("acts.py", "script.py", "model.py")]
    return Program(
        name="model",
        command=[sys.executable, "-m", "tests.stack.model", str(port)],
        port=port,
        is_ready=lambda: _is_healthy(f"http://127.0.0.1:{port}/health"),
        settings=key_of(*sources),
        environment={"PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1"},
        folder=ROOT,
        is_disposable=True,
    )


def letta(installed: Installed, variant: Variant) -> Program:
    """Letta itself. It sees nothing of our environment, so that a key or an address in it can't lead elsewhere."""
    work = live("work", variant.name)
    environment = {
        "PATH": f"{installed.letta.parent}:{PATH}",
        "HOME": str(work),
        "LANG": "C.UTF-8",
        "LETTA_DIR": str(work / ".letta"),
        # Pooling forces TLS when the address doesn't say otherwise.
        "LETTA_PG_URI": f"{database_uri(variant)}?sslmode=disable",
        # Without pooling every query opens a connection, which on CPython 3.11 and 3.12 hangs at times.
        "LETTA_DISABLE_SQLALCHEMY_POOLING": "false",
        "LETTA_PG_POOL_SIZE": "100",
        "LETTA_PG_MAX_OVERFLOW": "50",
        "LETTA_DISABLE_TRACING": "true",
        # Every 20 s by default, which no test would wait for.
        "LETTA_KEEPALIVE_INTERVAL": "2",
        "OPENAI_API_KEY": "scripted",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port()}/v1",
    }
    if variant.redis:
        environment |= {"LETTA_REDIS_HOST": "127.0.0.1", "LETTA_REDIS_PORT": str(variant.redis_port)}
    if variant.password is not None:
        environment |= {"LETTA_SERVER_SECURE": "true", "LETTA_SERVER_PASSWORD": variant.password}
    port = variant.letta_port
    return Program(
        name=f"letta-{variant.name}",
        command=[str(installed.letta), "server", "--host", "127.0.0.1", "--port", str(port)],
        port=port,
        is_ready=lambda: _is_healthy(f"http://127.0.0.1:{port}/v1/health/"),
        settings=key_of(installed.key, *(f"{name}={value}" for name, value in environment.items())),
        environment=environment,
        folder=work,
        start_seconds=180,
    )


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
