"""The SDK's tool with our manners: small schemas, no unknown arguments, tidy sentences for bad ones.

The SDK ignores unknown arguments, and answers bad ones with pydantic's text, which repeats the value that was
given, perhaps a secret, and points to pydantic's website.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from letta_conv_mcp.errors import InvalidArguments, LettaFailure

_GUESSED = ("minLength", "pattern")
"""Rules for arguments that every model keeps untold: ours mean "not empty", or "with a letter in it" for a name."""
NOT_EMPTY = r"\S"


class OfferedTool(Tool):
    """A tool as a host is offered it."""

    @classmethod
    def offered(
        cls,
        function: Callable[..., Any],
        *,
        title: str,
        description: str,
        annotations: ToolAnnotations,
        meta: dict[str, Any] | None = None,
    ) -> "OfferedTool":
        """A tool that refuses unknown arguments, with schemas cut to what a host needs."""
        made = Tool.from_function(function, title=title, description=description, annotations=annotations, meta=meta)
        tool = cls(**dict(made))
        tool.parameters = {**compact_schema(tool.parameters, nulls=False), "additionalProperties": False}
        if tool.fn_metadata.output_schema is not None:
            tool.fn_metadata.output_schema = compact_schema(tool.fn_metadata.output_schema)
        return tool

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """Run the tool. A failure says its own sentence, without the SDK's prefix."""
        problems = self._problems(arguments)
        if problems:
            raise InvalidArguments(self.name, problems)
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as error:
            if isinstance(error.__cause__, LettaFailure):
                raise error.__cause__ from None
            raise

    def _problems(self, arguments: dict[str, Any]) -> list[str]:
        unknown = [f"there is no argument {name!r}" for name in arguments if name not in self.parameters["properties"]]
        try:
            self.fn_metadata.validate_arguments(arguments)
        except ValidationError as invalid:
            return [*(_problem(details) for details in invalid.errors()), *unknown]
        return unknown


def compact_schema(schema: Mapping[str, Any], *, nulls: bool = True) -> dict[str, Any]:
    """A JSON schema without what pydantic adds for people: titles, docstrings of models, long ways to say null.

    Args:
        schema: pydantic's schema.
        nulls: whether it is of a result, where null is mentioned and no default is. Not for arguments: leaving one out
            says the same, is shorter, and some hosts reject a tool for a union of types. A null that comes all the same
            is accepted.
    """
    compact: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "description" and "properties" in schema:
            continue
        if key in _GUESSED and not nulls and not isinstance(value, Mapping):
            continue
        compact[key] = _compact_value(value, nulls)
    kinds = cast("list[dict[str, Any]]", compact.get("anyOf") or [])
    if len(kinds) == 2 and kinds[1] == {"type": "null"} and _can_be_short(kinds[0], nulls):
        del compact["anyOf"]
        kind = [kinds[0]["type"], "null"] if nulls else kinds[0]["type"]
        compact = {**kinds[0], "type": kind, **compact}
    if "default" in compact and (nulls or compact["default"] is None):
        # Who reads a result is told by nothing what would have stood where nothing stands.
        del compact["default"]
    return compact


def _can_be_short(kind: dict[str, Any], nulls: bool) -> bool:
    # An enum would still refuse the null that its type allows.
    return isinstance(kind.get("type"), str) and not (nulls and "enum" in kind)


def _compact_value(value: Any, nulls: bool) -> Any:
    if isinstance(value, Mapping):
        return compact_schema(cast("Mapping[str, Any]", value), nulls=nulls)
    if isinstance(value, list):
        return [_compact_value(item, nulls) for item in cast("list[Any]", value)]
    return value


def _problem(details: ErrorDetails) -> str:
    name = ".".join(str(part) for part in details["loc"]) or "the arguments"
    match details["type"]:
        case "missing":
            return f"{name} is missing"
        case "string_pattern_mismatch":
            is_empty = details.get("ctx", {}).get("pattern") == NOT_EMPTY
            return f"{name} is empty" if is_empty else f"{name} has no letter or digit in it"
        case _:
            # pydantic's own words for a rule ("Input should be less than or equal to 100"), without the value.
            return f"{name}: {details['msg'][0].lower()}{details['msg'][1:]}"
