"""Models behind HTTP: what is asked of them, in the form that their providers document, and what is made of it."""

from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from evals import providers
from evals.models import Entry, ModelFailure, Result, Said, Tool, Wish
from evals.providers import AnthropicModel, OpenAIModel, model_from_name
from tests.unit.provider import anthropic, openai, provider

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "additionalProperties": False}
TOOLS = (Tool("list_agents", "List the agents.", SCHEMA),)
KEY = "sk-let-me-in"
OPENAI_WISH = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "list_agents", "arguments": '{"query": "Ada"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "list_agents", "arguments": '{"query": '}},
    ],
}
OPENAI_END = {"role": "assistant", "content": "Ada it is."}
ANTHROPIC_WISH: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Which one?", "signature": "sealed"},
    {"type": "text", "text": "I look."},
    {"type": "tool_use", "id": "toolu_1", "name": "list_agents", "input": {"query": "Ada"}},
    {"type": "tool_use", "id": "toolu_2", "name": "list_agents", "input": {}},
]
ANTHROPIC_END = [{"type": "text", "text": "Ada it is."}]


async def test_openai_is_asked_with_tools_as_functions_and_results_as_messages_of_their_own() -> None:
    """OpenAI: each result names its tool_call_id, and what the assistant said goes back as it came."""
    dialogue: list[Entry] = [Said("Who is Ada?")]
    with provider("/v1/chat/completions", openai(OPENAI_WISH), openai(OPENAI_END)) as server:
        model = OpenAIModel("some-model", f"{server.base_url}/v1", KEY)
        wished = await model.answer("Be brief.", TOOLS, dialogue)
        dialogue += [wished, Result("call_1", "One agent."), Result("call_2", "No JSON.", is_error=True)]
        ended = await model.answer("Be brief.", TOOLS, dialogue)
    first, second = server.requests

    assert wished.wishes == (Wish("call_1", "list_agents", {"query": "Ada"}), Wish("call_2", "list_agents", None))
    assert (ended.text, ended.wishes) == ("Ada it is.", ())
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.body == {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who is Ada?"}],
        "tools": [
            {
                "type": "function",
                "function": {"name": "list_agents", "description": "List the agents.", "parameters": SCHEMA},
            }
        ],
    }
    assert second.body["messages"][2:] == [
        OPENAI_WISH,
        {"role": "tool", "tool_call_id": "call_1", "content": "One agent."},
        {"role": "tool", "tool_call_id": "call_2", "content": "No JSON."},
    ]


async def test_anthropic_is_asked_with_input_schemas_and_all_results_in_one_message() -> None:
    """Anthropic: the results of one answer's calls come in the next user message, and thoughts go back as they came."""
    dialogue: list[Entry] = [Said("Who is Ada?")]
    with provider("/v1/messages", anthropic(ANTHROPIC_WISH), anthropic(ANTHROPIC_END)) as server:
        model = AnthropicModel("some-model", server.base_url, KEY)
        wished = await model.answer("Be brief.", TOOLS, dialogue)
        dialogue += [wished, Result("toolu_1", "One agent."), Result("toolu_2", "It failed.", is_error=True)]
        ended = await model.answer("Be brief.", TOOLS, dialogue)
    first, second = server.requests

    assert wished.text == "I look."
    assert wished.wishes == (Wish("toolu_1", "list_agents", {"query": "Ada"}), Wish("toolu_2", "list_agents", {}))
    assert (ended.text, ended.wishes) == ("Ada it is.", ())
    assert (first.headers["x-api-key"], first.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert first.body == {
        "model": "some-model",
        "max_tokens": providers.MAX_TOKENS,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Who is Ada?"}]}],
        "tools": [{"name": "list_agents", "description": "List the agents.", "input_schema": SCHEMA}],
    }
    assert second.body["messages"][1:] == [
        {"role": "assistant", "content": ANTHROPIC_WISH},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "One agent.", "is_error": False},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "It failed.", "is_error": True},
            ],
        },
    ]


async def test_an_answer_of_nothing_is_not_given_back_to_anthropic() -> None:
    """Anthropic: content must not be empty."""
    with provider("/v1/messages", anthropic([]), anthropic(ANTHROPIC_END)) as server:
        model = AnthropicModel("m", server.base_url)
        nothing = await model.answer("", (), [Said("Who is Ada?")])
        await model.answer("", (), [Said("Who is Ada?"), nothing, Said("Well?")])

    assert nothing.text == ""
    assert [message["role"] for message in server.requests[1].body["messages"]] == ["user", "user"]


async def test_what_may_pass_is_tried_again_when_the_provider_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PAUSE_SECONDS", 0.01)
    busy = JSONResponse({}, status_code=429, headers={"retry-after": "0.01"})
    with provider("/v1/chat/completions", busy, JSONResponse({}, status_code=503), openai(OPENAI_END)) as server:
        answered = await OpenAIModel("m", f"{server.base_url}/v1").answer("", (), [Said("hi")])

    assert answered.text == "Ada it is."
    assert len(server.requests) == 3
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (JSONResponse({"error": "no such model"}, status_code=404), "answered 404"),
        (Response("<html>"), "no JSON"),
        (JSONResponse([]), "no JSON object"),
        (JSONResponse({"choices": []}), "no chat completion"),
    ],
)
async def test_an_answer_of_no_use_is_a_failure_that_never_shows_the_key(answer: Response, told: str) -> None:
    with (
        provider("/v1/chat/completions", answer) as server,
        pytest.raises(ModelFailure, match=told) as failure,
    ):
        await OpenAIModel("m", f"{server.base_url}/v1", KEY).answer("", (), [Said("hi")])

    assert KEY not in str(failure.value)


async def test_an_answer_of_no_use_from_anthropic_is_a_failure() -> None:
    with provider("/v1/messages", {"type": "error"}) as server, pytest.raises(ModelFailure, match="no message"):
        await AnthropicModel("m", server.base_url).answer("", (), [Said("hi")])


async def test_a_provider_that_is_not_there_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PAUSE_SECONDS", 0.01)
    with provider("/") as server:
        address = server.base_url

    with pytest.raises(ModelFailure, match="can't be reached"):
        await OpenAIModel("m", address).answer("", (), [Said("hi")])


def test_a_model_is_named_by_the_way_it_is_spoken_to() -> None:
    environment = {"OPENAI_API_KEY": "one", "OTHER": "two", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1/"}

    assert model_from_name("openai:a:b", environment) == OpenAIModel("a:b", "https://api.openai.com/v1", "one")
    assert model_from_name(
        "openai:a", environment, base_url="http://127.0.0.1:2/v1", key_variable="OTHER"
    ) == OpenAIModel("a", "http://127.0.0.1:2/v1", "two")
    assert model_from_name("anthropic:a", environment) == AnthropicModel("a", "http://127.0.0.1:1", None)
    assert KEY not in repr(OpenAIModel("a", "b", KEY))
    for wrong in ("a", "openai:", "other:a"):
        with pytest.raises(ValueError, match="openai:NAME or anthropic:NAME"):
            model_from_name(wrong, {})
