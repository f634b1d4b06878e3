"""The official MCP conformance suite, against our server over HTTP.

Half of the suite calls tools, resources and prompts that a server has only to be tested by it. What such a scenario
says is about the SDK, and some of them even pass where the tool is missing; they stand in `NEEDS`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.app import open_app
from tests.conformance.node import run
from tests.fake import FakeLetta

REVISIONS = {
    "2025-11-25": (
        "server-initialize",
        "server-session-lifecycle",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "completion-complete",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "server-stateless",
        "tools-list",
        "resources-list",
        "prompts-list",
        "completion-complete",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "sep-2164-resource-not-found",
        "caching",
        "http-header-validation",
        "input-required-result-unsupported-methods",
    ),
}
"""What is run at each revision: all that our server can pass or fail by itself."""

TASKS = "the tasks extension, and tools that use it"
SKILLS = "the skills extension; without it every check is skipped"

NEEDS = {
    "logging-set-level": "the logging capability",
    "tools-call-simple-text": "tool test_simple_text; also passes on the error for an unknown tool",
    "tools-call-error": "tool test_error_handling; also passes on the error for an unknown tool",
    "tools-call-image": "tool test_image_content",
    "tools-call-audio": "tool test_audio_content",
    "tools-call-embedded-resource": "tool test_embedded_resource",
    "tools-call-mixed-content": "tool test_multiple_content_types",
    "tools-call-with-logging": "tool test_tool_with_logging",
    "tools-call-with-progress": "tool test_tool_with_progress",
    "tools-call-sampling": "tool test_sampling",
    "tools-call-elicitation": "tool test_elicitation",
    "elicitation-sep1034-defaults": "tool test_elicitation_sep1034_defaults",
    "elicitation-sep1330-enums": "tool test_elicitation_sep1330_enums",
    "json-schema-2020-12": "tool json_schema_2020_12_tool",
    "server-sse-polling": "tool test_reconnection",
    "http-custom-header-server-validation": "tool test_x_mcp_header",
    "resources-read-text": "resource test://static-text",
    "resources-read-binary": "resource test://static-binary",
    "resources-templates-read": "resource template test://template/{id}/data",
    "resources-subscribe": "resource test://watched-resource",
    "resources-unsubscribe": "resource test://watched-resource",
    "prompts-get-simple": "prompt test_simple_prompt",
    "prompts-get-with-args": "prompt test_prompt_with_arguments",
    "prompts-get-embedded-resource": "prompt test_prompt_with_embedded_resource",
    "prompts-get-with-image": "prompt test_prompt_with_image",
    "input-required-result-basic-elicitation": "tool test_input_required_result_elicitation",
    "input-required-result-result-type": "tool test_input_required_result_elicitation",
    "input-required-result-missing-input-response": "the same tool; also passes on the error for an unknown tool",
    "input-required-result-ignore-extra-params": "the same tool; also passes on the error for an unknown tool",
    "input-required-result-validate-input": "the same tool; also passes on the error for an unknown tool",
    "input-required-result-basic-sampling": "tool test_input_required_result_sampling",
    "input-required-result-basic-list-roots": "tool test_input_required_result_list_roots",
    "input-required-result-request-state": "tool test_input_required_result_request_state",
    "input-required-result-multiple-input-requests": "tool test_input_required_result_multiple_inputs",
    "input-required-result-multi-round": "tool test_input_required_result_multi_round",
    "input-required-result-tampered-state": "tool test_input_required_result_tampered_state",
    "input-required-result-capability-check": "tool test_input_required_result_capabilities",
    "input-required-result-non-tool-request": "prompt test_input_required_result_prompt",
    "tasks-lifecycle": TASKS,
    "tasks-capability-negotiation": TASKS,
    "tasks-wire-fields": TASKS,
    "tasks-request-state-removal": TASKS,
    "tasks-mrtr-input": TASKS,
    "tasks-request-headers": TASKS,
    "tasks-dispatch-and-envelope": TASKS,
    "tasks-status-notifications": TASKS,
    "tasks-required-task-error": TASKS,
    "tasks-mrtr-composition": TASKS,
    "sep-2640-skills-directory": SKILLS,
    "sep-2640-skills-enumeration": SKILLS,
    "sep-2640-skills-manifest": SKILLS,
}
"""What is not run, and what a server would need to have for it."""


@pytest.fixture(scope="module")
def url(letta: FakeLetta) -> Iterator[str]:
    with open_app(letta.base_url) as address:
        yield address


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [(revision, scenario) for revision, scenarios in REVISIONS.items() for scenario in scenarios],
)
def test_every_check_of_the_scenario_succeeds(
    programs: Path, url: str, tmp_path: Path, revision: str, scenario: str
) -> None:
    """MCP: the suite's own exit status would also forgive warnings and skipped checks."""
    where = ["--url", url, "--scenario", scenario, "--spec-version", revision]
    done = run(programs / "conformance", "server", *where, "--output-dir", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    checks = _checks_in(tmp_path)
    assert checks, done.stdout
    assert [check for check in checks if check["status"] not in ("SUCCESS", "INFO")] == []


def test_a_scenario_is_run_unless_it_needs_what_we_lack(programs: Path) -> None:
    """Ours: a new release of the suite can't bring a scenario that nobody looked at."""
    listed = run(programs / "conformance", "list", "--server").stdout
    applicable = {
        (revision, scenario)
        for scenario, revisions in re.findall(r"- (\S+) \[(\S+)\]", listed)
        for revision in revisions.split(",")
        if revision in (*REVISIONS, "extension")
    }

    to_run = {(revision, scenario) for revision, scenario in applicable if scenario not in NEEDS}

    assert to_run == {(revision, scenario) for revision, scenarios in REVISIONS.items() for scenario in scenarios}
    assert NEEDS.keys() <= {scenario for _, scenario in applicable}


def _checks_in(folder: Path) -> list[dict[str, Any]]:
    """What a run wrote down, in a folder named after itself and the time; nothing where the scenario does not apply."""
    return [check for report in folder.glob("*/checks.json") for check in json.loads(report.read_text("utf-8"))]
