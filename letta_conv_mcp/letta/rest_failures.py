"""Where letta-client's errors get their class: by type and status, never by what they say.

Five texts are looked into because 0.16.8 has no other sign: which part of a request a 422 blames, and whether a 429
is about a quota, a 503 about Redis, the 404 of a send about a model, a 409 about an approval.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from letta_conv_mcp import errors
from letta_conv_mcp.letta.content import Json, first_object, text_or_none

if TYPE_CHECKING:
    import letta_client

# Letta Code's list of refusals that waiting doesn't cure.
_QUOTA_SIGNS = ("not-enough-credits", "usage-exceeded", "agents-limit-exceeded", "out of credits", "usage_limit")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of Letta, for the sentence that says it failed.

    Attributes:
        address: the Letta's address.
        has_key: whether a key was sent.
        what: the thing asked for, for "Letta did not accept …".
        missing: what to raise when what the path names isn't there; None where the path names nothing.
        check: what to look at before repeating a request that changes something; None for one that only reads.
        conversation_id: the conversation that a message is sent to.
        streams: whether a stream was asked for.
        is_repeatable: whether Letta takes the same request again for the same message.
    """

    address: str
    has_key: bool
    what: str
    missing: errors.LettaFailure | None = None
    check: str | None = None
    conversation_id: str | None = None
    streams: bool = False
    is_repeatable: bool = False


class NoBackground(errors.LettaFailure):
    """This server has no Redis and streams only in the foreground. The message was not taken."""

    def __init__(self) -> None:
        super().__init__("This Letta runs without Redis, so a reply can't be followed again. Nothing was changed.")


@contextmanager
def letta_failures(question: Question) -> Generator[None]:
    """Turn what letta-client raises into a `LettaFailure`; everything else goes through."""
    # letta-client takes half a second to import, and httpx with it, so they are imported where they are first needed.
    import httpx
    import letta_client

    try:
        yield
    except (letta_client.LettaError, httpx.HTTPError, ValueError) as error:
        failure = failure_from(error, question)
        # `from None`: the client's text holds the server's, which must not reach a log or a model.
        raise failure from None


def failure_from(error: Exception, question: Question) -> errors.LettaFailure:
    """The failure that an exception of letta-client means.

    Args:
        error: a `letta_client.LettaError`; an httpx.HTTPError, which letta-client lets through when the body of an
            error breaks off; or a ValueError: of a body that isn't JSON, or of an unusable id.
        question: what was asked.
    """
    import httpx
    import letta_client

    match error:
        case letta_client.APIResponseValidationError() | json.JSONDecodeError():
            return not_letta(question)
        case letta_client.APIStatusError():
            return _from_status(error, question)
        case letta_client.APITimeoutError():
            connected = not _before_sending(error)
            return no_answer(question, "did not answer in time", maybe_done=connected)
        case letta_client.APIConnectionError() if _before_sending(error):
            return no_answer(question, "can't be reached", maybe_done=False)
        case letta_client.LettaError() | httpx.HTTPError():
            return no_answer(question, "dropped the connection", maybe_done=True)
        case _:
            # letta-client refuses to build a path from an id such as "..".
            return question.missing or errors.RequestRejected(question.what, 400)


def _from_status(error: "letta_client.APIStatusError", question: Question) -> errors.LettaFailure:
    status = error.status_code
    match status:
        case 401 | 403:
            return errors.NotAllowed(question.address, has_key=question.has_key)
        case 402:
            return errors.OutOfCredits()
        case 404 if question.conversation_id is not None and "Handle " in str(error.body):
            return errors.ModelUnknown(question.conversation_id)
        case 404:
            return question.missing if question.missing and _names_an_id(error) else errors.NotLetta(question.address)
        case 400 | 422 if question.missing is not None and (question.check is None or _blames_path(error.body)):
            # In a question that only reads, nothing but the id can be wrong: all else was checked before.
            return question.missing
        case 409 if question.conversation_id is not None:
            return _conflict(error.body, question.conversation_id)
        case 429:
            if any(sign in str(error.body) for sign in _QUOTA_SIGNS):
                return errors.OutOfCredits()
            return errors.RateLimited(retry_after(error.response.headers))
        case _ if 300 <= status < 400:
            return errors.Redirected(question.address)
        case _ if status == 408 or status >= 500:
            return _trouble(error, question)
        case _:
            return errors.RequestRejected(question.what, status)


def _conflict(body: object, conversation_id: str) -> errors.LettaFailure:
    # A code in newer servers; 0.16.8 has the sentence alone.
    if "PENDING_APPROVAL" in str(body) or "waiting for approval" in str(body):
        return errors.ApprovalPending(conversation_id)
    return errors.ConversationBusy(conversation_id, text_or_none(first_object(body).get("run_id")))


def _trouble(error: "letta_client.APIStatusError", question: Question) -> errors.LettaFailure:
    if error.status_code == 503 and question.streams and "Redis" in str(error.body):
        return NoBackground()
    # Letta Cloud says this while it shuts down.
    is_refused = first_object(error.body).get("admitted") is False
    problem = f"answered with an error (HTTP {error.status_code})"
    return no_answer(question, problem, maybe_done=not is_refused, pause=retry_after(error.response.headers))


def not_letta(question: Question) -> errors.LettaFailure:
    """The failure of an answer that no Letta gives. What it was the answer to may have been done all the same."""
    if question.check is not None:
        return no_answer(question, "gave an answer that can't be read", maybe_done=True)
    return errors.NotLetta(question.address)


def no_answer(question: Question, problem: str, *, maybe_done: bool, pause: float | None = None) -> errors.LettaFailure:
    """The failure of a request without a usable answer; `pause` is what Letta asks for, in seconds."""
    if maybe_done and question.check is not None:
        return errors.OutcomeUnknown(
            question.address, problem, question.check, is_repeatable=question.is_repeatable, retry_after=pause
        )
    return errors.LettaUnavailable(question.address, problem, pause)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After header asks for; None where it is missing or a date."""
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def _before_sending(error: "letta_client.APIConnectionError") -> bool:
    # httpx comes with letta-client, and as slowly.
    import httpx

    return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _names_an_id(error: "letta_client.APIStatusError") -> bool:
    # For a path that it doesn't have a Letta server says "Not Found"; for an id that it doesn't have, something else.
    # An id with a slash in it is no path of the server's either.
    body = error.body
    known_path = isinstance(body, Mapping) and cast("Json", body).get("detail") != "Not Found"
    return known_path or b"%2F" in error.request.url.raw_path


def _blames_path(body: object) -> bool:
    # 0.16.8 puts the list of pydantic errors into one string, in which the part is named: ('path', 'agent_id').
    text = str(cast("Json", body).get("detail")) if isinstance(body, Mapping) else ""
    return "'path'" in text or "Invalid agent ID format" in text
