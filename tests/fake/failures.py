"""How a turn fails, in Letta's words. Pure.

Letta answers 200 to a stream whose model failed and tells it inside; without a stream the same failure is a status.
"""

from dataclasses import dataclass, replace

from tests.stack.acts import Act, Break, Cut, Garble, Refuse

UNKNOWN_ERROR = "An unknown error occurred with the LLM streaming request."
WAITING_FOR_APPROVAL = (
    "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call. "
    "Please approve or deny the pending request before continuing."
)
MODEL_CODES = {400: "invalid_request_error", 401: "invalid_api_key", 429: "rate_limit_exceeded"}


@dataclass
class TurnFailed(Exception):
    stop_reason: str
    error_type: str
    message: str
    detail: str
    status: int = 500
    without_stream: tuple[str, str] | None = None
    """The type and the message it has in an answer without a stream, when they are others."""
    is_midway: bool = False
    """The reply had begun: the end of the stream is another one then, without `[DONE]`."""

    @classmethod
    def unknown(cls, detail: str) -> "TurnFailed":
        return cls("error", "internal_error", UNKNOWN_ERROR, detail, status=400)

    def midway(self) -> "TurnFailed":
        message = "An error occurred during agent execution."
        return replace(self, error_type="internal_error", message=message, is_midway=True)


def failure_of(act: Act, *, by_tokens: bool) -> TurnFailed | None:
    """What Letta makes of a model's act that is none of a reply's; in token mode it takes no JSON for nothing."""
    match act:
        case Refuse(status):
            return model_refused(status)
        case Garble() if not by_tokens:
            return model_spoke_no_json()
        case Cut():
            return model_hung_up() if by_tokens else model_unreachable()
        case Break():
            return model_broke_off() if by_tokens else model_refused(500)
        case _:
            return None


def not_stored() -> TurnFailed:
    return TurnFailed.unknown("generator didn't stop after athrow()")


def waiting_for_approval() -> TurnFailed:
    return TurnFailed("error", "internal_error", WAITING_FOR_APPROVAL, WAITING_FOR_APPROVAL, status=409)


def model_refused(status: int) -> TurnFailed:
    """What Letta makes of an HTTP error of its model, after trying again by itself."""
    code = MODEL_CODES.get(status, "server_error")
    body = {"message": f"the scripted model says {status}", "type": code, "param": None, "code": code}
    said = f"Error code: {status} - { ({'error': body}) }"
    match status:
        case 429:
            message = "Rate limit exceeded for LLM model provider. Please wait before making another request."
            detail = f"RATE_LIMIT_EXCEEDED: Rate limited by OpenAI: {said}"
            return TurnFailed("llm_api_error", "llm_rate_limit", message, detail, status=429)
        case 401:
            message = "Authentication failed with the LLM model provider."
            detail = f"UNAUTHENTICATED: Authentication failed with OpenAI: {said}"
            return TurnFailed("llm_api_error", "llm_authentication", message, detail, status=401)
        case 400:
            # Without a stream Letta calls this one by another name.
            failure = _model_error(f"INVALID_ARGUMENT: Bad request to OpenAI-compatible endpoint: {said}")
            instead = ("llm_bad_request", "The request to the LLM model provider was invalid.")
            return replace(failure, status=400, without_stream=instead)
        case _:
            return _model_error(f"INTERNAL_SERVER_ERROR: OpenAI API error: {said}")


def model_said_nothing() -> TurnFailed:
    detail = (
        "INTERNAL_SERVER_ERROR: LLM provider returned empty content in response "
        "(ID: chatcmpl-000000000000, model: scripted, finish_reason: stop)"
    )
    return TurnFailed("invalid_llm_response", "llm_empty_response", "LLM returned an empty response.", detail)


def model_spoke_no_json() -> TurnFailed:
    return _model_error("Unhandled LLM error: 'str' object has no attribute 'model_dump'")


def model_hung_up() -> TurnFailed:
    closed = "peer closed connection without sending complete message body (incomplete chunked read)"
    return _model_error(f"INTERNAL_SERVER_ERROR: Connection error during OpenAI streaming: {closed}")


def model_unreachable() -> TurnFailed:
    return _model_error("INTERNAL_SERVER_ERROR: Failed to connect to OpenAI: Connection error.")


def model_broke_off() -> TurnFailed:
    return _model_error("INVALID_ARGUMENT: OpenAI API error: the scripted model broke off")


def _model_error(detail: str) -> TurnFailed:
    return TurnFailed("llm_api_error", "llm_error", "An error occurred with the LLM request.", detail)
