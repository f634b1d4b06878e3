"""What people install is whole: the wheel, the source archive, the lock."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from letta_conv_mcp import __version__
from tests.fake import FakeLetta
from tests.integration.stdio import Host

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from this tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], check=True, capture_output=True
    )
    return folder


def test_the_wheel_holds_the_package_its_types_and_its_licence(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())

    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "letta_conv_mcp").rglob("*.py")}
    assert sources <= names
    assert "letta_conv_mcp/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests")]


def test_the_source_archive_can_be_built_from(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    wanted = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "letta_conv_mcp/__main__.py"}
    assert wanted <= names


def test_install_the_package_starts(built: Path, tmp_path: Path) -> None:
    """The README's command, with the wheel in place of the name: `uvx letta-conv-mcp`, the key in its environment."""
    wheel = next(built.glob("*.whl"))
    with FakeLetta(password="secret") as letta:
        letta.add_agent("Ada")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
        environment |= {"LETTA_API_KEY": "secret", "LETTA_BASE_URL": letta.base_url, "UV_TOOL_DIR": str(tmp_path)}
        process = subprocess.Popen(
            [BIN / "uvx", "--quiet", "--python", sys.executable, "--from", wheel, "letta-conv-mcp"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with Host(process, answers_within=120) as host:
            served = host.initialize()
            listed = host.ask("tools/call", {"name": "list_agents", "arguments": {}})

    assert served["serverInfo"]["version"] == __version__
    assert [agent["name"] for agent in listed["structuredContent"]["agents"]] == ["Ada"]


@pytest.mark.parametrize("command", ["demo", "doctor"])
def test_without_a_letta_and_without_one_to_start_the_three_ways_to_have_one_are_named(
    built: Path, tmp_path: Path, command: str
) -> None:
    """Ours: the package alone brings no Letta along; its extra does."""
    done = run_installed(built, tmp_path, command)

    assert done.returncode == 2
    for way in ("LETTA_API_KEY", "LETTA_BASE_URL", "letta-conv-mcp[local]"):
        assert way in done.stdout + done.stderr


def test_local_without_the_extra_names_what_is_missing(built: Path, tmp_path: Path) -> None:
    done = run_installed(built, tmp_path, "doctor", "--base-url", "local", "--local-dir", str(tmp_path / "letta"))

    assert done.returncode == 1
    assert "The Letta to run on this machine is not installed" in done.stdout


def run_installed(built: Path, tools: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the wheel without extras, as uvx does."""
    wheel = next(built.glob("*.whl"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETTA_")}
    return subprocess.run(
        [BIN / "uvx", "--quiet", "--python", sys.executable, "--from", wheel, "letta-conv-mcp", *arguments],
        env={**environment, "UV_TOOL_DIR": str(tools)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_lock_is_checked_by_hash_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)

    assert {"mcp", "letta-client", "pydantic", "anyio"} <= set(packages)
    assert "://" not in lock
    assert "index" not in lock
    for block in re.split(r"^(?=[a-z0-9._-]+==)", lock, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_nothing_committed_names_a_registry_or_a_folder_of_this_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    # Put together, so that this file doesn't hold what it looks for.
    hosts = ("pypi" + r"\.org", "pythonhosted" + r"\.org", "registry" + r"\.npmjs")
    unwanted = re.compile("|".join((*hosts, "/work" + "/main")))

    files = [ROOT / name for name in tracked if (ROOT / name).is_file()]
    found = [file.name for file in files if unwanted.search(file.read_text(encoding="utf-8", errors="ignore"))]

    assert found == []
