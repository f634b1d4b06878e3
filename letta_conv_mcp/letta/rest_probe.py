"""What stands at an address, found out by asking: for `doctor`, and never while serving."""

from dataclasses import dataclass
from typing import TypeAlias

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import first_object, text_or_none
from letta_conv_mcp.letta.rest_connection import RestConnection
from letta_conv_mcp.letta.rest_failures import NoBackground, Question
from letta_conv_mcp.settings import CLOUD_ADDRESS

Told: TypeAlias = bool | None
"""Whether a Letta can do something; None where it doesn't tell."""

_NO_CONVERSATION = "conv-00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What answers: its name for people, and its version where it tells."""

    name: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a Letta can do beyond sending and reading."""

    resumable_replies: Told = None
    forking: Told = None
    archiving: Told = None


async def kind_at(connection: RestConnection) -> Kind:
    """What answers at an address.

    Raises:
        LettaUnavailable: nothing answers.
        AppServerAddress: an App Server answers.
        NotLetta: something else answers.
    """
    question, is_cloud = _question(connection), connection.address == CLOUD_ADDRESS
    try:
        health = await connection.fetch("/v1/health/", question)
    except errors.NotLetta:
        await _raise_for_app_server(connection, question)
        if not is_cloud:
            raise
        return Kind(name="Letta Cloud")
    version = text_or_none(first_object(health).get("version"))
    if version is None and not is_cloud:
        raise errors.NotLetta(question.address)
    return Kind(name="Letta Cloud" if is_cloud else "Letta server", version=version)


async def capabilities_of(connection: RestConnection) -> Capabilities:
    """What the Letta at an address can do, as far as it tells without anything being changed.

    Raises:
        LettaFailure: it can't be asked.
    """
    try:
        document = first_object(await connection.fetch("/openapi.json", _question(connection)))
    except errors.LettaFailure:
        # Letta Cloud shows no description of itself.
        document = first_object(None)
    paths, schemas = (
        first_object(document.get("paths")),
        first_object(first_object(document.get("components")).get("schemas")),
    )
    update = first_object(first_object(schemas.get("UpdateConversation")).get("properties"))
    return Capabilities(
        resumable_replies=await _resumes(connection),
        forking="/v1/conversations/{conversation_id}/fork" in paths if paths else None,
        archiving="archived" in update if update else None,
    )


async def _resumes(connection: RestConnection) -> bool:
    """Whether replies can be picked up again. A server without Redis says so for any conversation, even for none."""
    try:
        async with connection.stream(
            lambda client: client.conversations.messages.with_raw_response.stream(_NO_CONVERSATION),
            _question(connection),
        ):
            return True
    except NoBackground:
        return False
    except (errors.RequestRejected, errors.NotLetta):
        # It looked for the conversation's runs, and found none.
        return True


async def _raise_for_app_server(connection: RestConnection, question: Question) -> None:
    try:
        answer = await connection.fetch("/app-server-info", question)
    except errors.NotAllowed:
        # Nothing else has this path, so whoever guards it is an App Server that wants its token.
        raise errors.AppServerAddress(question.address) from None
    except errors.LettaFailure:
        return
    if "protocol_version" in first_object(answer):
        raise errors.AppServerAddress(question.address)


def _question(connection: RestConnection) -> Question:
    return Question(address=connection.address or "", has_key=connection.has_key, what="the question", missing=None)
