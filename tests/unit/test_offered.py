"""Tools as a host is offered them: small schemas, tidy sentences."""

from typing import Annotated, Any, Literal

import anyio
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field, TypeAdapter

from letta_conv_mcp.errors import ConversationNotFound, InvalidArguments
from letta_conv_mcp.tools.offered import OfferedTool, compact_schema

SECRET = "sk-let-0123456789"


class Part(BaseModel):
    """A part, for people."""

    title: str
    size: int | None = None


class Order(BaseModel):
    """An order, for people."""

    description: Annotated[str | None, Field(description="What it is for")] = None
    parts: list[Part] = []
    kinds: list[Literal["a", "b"]] | None = None
    speed: Literal["slow", "fast"] | None = None
    first: Part | None = None
    counts: dict[str, int] | None = None
    sure: bool | None = None


async def order(
    conversation_id: Annotated[str, Field(min_length=1)],
    message: Annotated[str, Field(pattern=r"\S", description="What to say")],
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    kind: Literal["a", "b"] = "a",
    kinds: list[Literal["a", "b"]] | None = None,
) -> str:
    """Order something."""
    match conversation_id:
        case "unknown":
            raise ConversationNotFound(conversation_id)
        case "unforeseen":
            raise RuntimeError(SECRET)
        case "refused":
            raise ToolError("Not today.")
        case _:
            return f"{message} {limit} {kind} {kinds}"


def offered() -> OfferedTool:
    return OfferedTool.offered(order, title="Order", description="Order something.", annotations=ToolAnnotations())


def run(**arguments: Any) -> Any:
    async def work() -> Any:
        return await offered().run(arguments, Context())

    return anyio.run(work)


def schema_of(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()


def accepts(schema: dict[str, Any], value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)  # pyright: ignore[reportUnknownMemberType]


def test_a_compact_schema_has_no_titles_docstrings_or_long_nulls_and_of_a_result_no_defaults() -> None:
    """Ours: descriptions are read by models at every turn of every chat."""
    schema = {
        "title": "orderArguments",
        "description": "An order, for people.",
        "type": "object",
        "properties": {
            "agent_id": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "default": None,
                "description": "An agent's id",
                "title": "Agent Id",
            },
            "wait": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None, "title": "Wait"},
            "limit": {"default": 20, "maximum": 100, "title": "Limit", "type": "integer"},
        },
        "required": ["agent_id"],
    }

    assert compact_schema(schema) == {
        "type": "object",
        "properties": {
            "agent_id": {"type": ["string", "null"], "description": "An agent's id"},
            "wait": {"type": ["number", "null"], "minimum": 0},
            "limit": {"type": "integer", "maximum": 100},
        },
        "required": ["agent_id"],
    }
    assert compact_schema(schema, nulls=False)["properties"]["limit"]["default"] == 20


def test_a_compact_schema_of_arguments_does_not_mention_null() -> None:
    """Ours: to leave an argument out says the same, and some hosts reject a tool for a union of types."""
    schema = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None, "title": "Wait"}

    assert compact_schema({"properties": {"wait": schema}}, nulls=False) == {
        "properties": {"wait": {"type": "number", "minimum": 0}}
    }


@pytest.mark.parametrize(
    ("nulls", "compact"),
    [
        (True, {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]}),
        (False, {"type": "string", "enum": ["a", "b"]}),
    ],
)
def test_a_choice_that_may_be_null_stays_one(nulls: bool, compact: dict[str, Any]) -> None:
    """JSON Schema: an enum refuses the null that a type beside it allows."""
    schema = {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}], "default": None, "title": "Kind"}

    assert compact_schema(schema, nulls=nulls) == compact


def test_fields_that_are_called_like_words_of_a_schema_stay() -> None:
    properties = compact_schema(schema_of(Order))["properties"]

    assert list(properties) == ["description", "parts", "kinds", "speed", "first", "counts", "sure"]
    assert list(compact_schema(schema_of(Part))["properties"]) == ["title", "size"]


PARTS = st.fixed_dictionaries({"title": st.text(max_size=3)}, optional={"size": st.none() | st.integers() | st.text()})
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "description": st.none() | st.text(max_size=3) | st.integers(),
        "parts": st.lists(PARTS | st.none(), max_size=2) | st.none(),
        "kinds": st.none() | st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
        "speed": st.sampled_from([None, "slow", "fast", "medium"]),
        "first": st.none() | PARTS | st.builds(dict[str, Any]),
        "counts": st.none() | st.dictionaries(st.text(max_size=2), st.integers() | st.text(), max_size=2),
        "sure": st.sampled_from([None, True, "yes"]),
    },
)


@given(VALUES)
def test_a_compact_schema_accepts_what_the_long_one_does(value: dict[str, Any]) -> None:
    """Ours: smaller, and no different."""
    schema = schema_of(Order)

    assert accepts(compact_schema(schema), value) == accepts(schema, value)


def test_an_offered_tool_shows_a_compact_schema_that_takes_no_unknown_arguments() -> None:
    """MCP: a schema without additionalProperties allows any. Ours: that an argument mustn't be empty goes unsaid."""
    assert offered().parameters == {
        "type": "object",
        "properties": {
            "conversation_id": {"type": "string"},
            "message": {"type": "string", "description": "What to say"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "kinds": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        },
        "required": ["conversation_id", "message"],
        "additionalProperties": False,
    }


def test_good_arguments_reach_the_tool() -> None:
    assert run(conversation_id="conv-1", message="hi", kinds=["b"]) == "hi 20 a ['b']"


def test_a_null_that_comes_all_the_same_is_accepted() -> None:
    """Some hosts send null for what their model left out."""
    assert run(conversation_id="conv-1", message="hi", kinds=None) == "hi 20 a None"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"conversation_id": "conv-1"}, "message is missing"),
        ({"conversation_id": "conv-1", "message": " \n "}, "message is empty"),
        ({"conversation_id": "conv-1", "message": "hi", "key": SECRET}, "there is no argument 'key'"),
        ({"conversation_id": "", "message": "hi"}, "conversation_id: string should have at least 1 character"),
        ({"conversation_id": "c", "message": "hi", "limit": 0}, "limit: input should be greater than or equal to 1"),
        ({"conversation_id": "c", "message": "hi", "kind": SECRET}, "kind: input should be 'a' or 'b'"),
        ({"conversation_id": "c", "message": "hi", "kinds": ["a", SECRET]}, "kinds.1: input should be 'a' or 'b'"),
        ({"conversation_id": {"x": SECRET}, "message": "hi"}, "conversation_id: input should be a valid string"),
        ({"conversation_id": None, "message": "hi"}, "conversation_id: input should be a valid string"),
    ],
)
def test_a_bad_argument_is_named_without_its_value_and_without_a_link(arguments: dict[str, Any], problem: str) -> None:
    """Ours: pydantic's text repeats the value, perhaps a secret, and points to its website."""
    with pytest.raises(InvalidArguments) as caught:
        run(**arguments)

    assert str(caught.value) == f"order was not run: {problem}. Correct the arguments and call it again."


def test_a_value_that_is_no_number_is_not_repeated() -> None:
    with pytest.raises(InvalidArguments) as caught:
        run(conversation_id="conv-1", message="hi", limit=SECRET)

    assert str(caught.value).startswith("order was not run: limit: input should be a valid integer")
    assert SECRET not in str(caught.value)
    assert "http" not in str(caught.value)


def test_all_bad_arguments_are_named_at_once() -> None:
    with pytest.raises(InvalidArguments) as caught:
        run(limit=0, other=1)

    assert str(caught.value) == (
        "order was not run: conversation_id is missing; message is missing; limit: input should be greater than or "
        "equal to 1; there is no argument 'other'. Correct the arguments and call it again."
    )


def test_a_failure_of_ours_keeps_its_sentence() -> None:
    """The MCP SDK would begin it with "Error executing tool"."""
    with pytest.raises(ConversationNotFound) as caught:
        run(conversation_id="unknown", message="hi")

    assert str(caught.value) == "No conversation 'unknown'. Call list_conversations for the ids you can use."


@pytest.mark.parametrize(
    ("conversation_id", "text"),
    [("unforeseen", "Error executing tool order"), ("refused", "Error executing tool order: Not today.")],
)
def test_any_other_failure_is_left_to_the_sdk_which_hides_a_crash(conversation_id: str, text: str) -> None:
    with pytest.raises(ToolError) as caught:
        run(conversation_id=conversation_id, message="hi")

    assert str(caught.value) == text
