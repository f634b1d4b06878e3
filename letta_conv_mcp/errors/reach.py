"""Reaching a Letta: where it is, whether it answers, and whether it takes what it is asked."""

from letta_conv_mcp.errors.failure import LettaFailure


class NotConfigured(LettaFailure):
    """Neither a key nor an address was given."""

    def __init__(self) -> None:
        super().__init__(
            "No Letta is configured, so nothing was sent. Set LETTA_API_KEY for Letta Cloud, or LETTA_BASE_URL for a "
            "Letta server of your own, in the `env` of this server's entry in the host's configuration; or install "
            "letta-conv-mcp[local] in place of letta-conv-mcp, which brings a Letta to run on this machine."
        )


class LocalNotInstalled(LettaFailure):
    """A Letta on this machine is asked for, and the package that would be run is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The Letta to run on this machine is not installed, so nothing was sent. Ask the person to install "
            "letta-conv-mcp[local] in place of letta-conv-mcp; trying again before that can't help."
        )


class LocalUnusable(LettaFailure):
    """The Letta on this machine can't be started. `problem` is a statement about it."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"Letta can't be started on this machine: {problem}. Nothing was sent; ask the person to put that right, "
            "then it is safe to try again."
        )
        self.problem = problem


class Redirected(LettaFailure):
    """The address sends its callers elsewhere. A redirected POST would turn into a GET, and reads would work on."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} redirects to another address, so nothing was done. Ask the person to set LETTA_BASE_URL to "
            "that address itself, often the same with https; trying again before that can't help."
        )


class NotLetta(LettaFailure):
    """Something answers at the address, but not as a Letta does."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"What answers at {address} is not a Letta. Ask the person to check LETTA_BASE_URL "
            "(`letta-conv-mcp doctor` tells what is there); trying again can't help."
        )


class AppServerAddress(LettaFailure):
    """A Letta App Server, which speaks a WebSocket protocol, was given where REST is spoken."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is a Letta App Server, which is spoken to at an address with ws:// instead of http://. Ask the "
            "person to change LETTA_BASE_URL; trying again before that can't help."
        )


class AppServerVersion(LettaFailure):
    """An App Server that speaks another version of its protocol."""

    def __init__(self, address: str, version: str) -> None:
        super().__init__(
            f"The Letta App Server at {address} speaks version {version} of its protocol, and this program only "
            "version 1. Nothing was sent; ask the person to update letta-conv-mcp or the App Server."
        )


class NotAllowed(LettaFailure):
    """Letta refused the key: 401 or 403."""

    def __init__(self, address: str, *, has_key: bool) -> None:
        cause = "refused the key in LETTA_API_KEY" if has_key else "wants a key and LETTA_API_KEY is not set"
        super().__init__(
            f"Letta at {address} {cause}. Ask the person to set a valid key and restart this server; "
            "trying again before that can't help."
        )


class RequestRejected(LettaFailure):
    """Letta can't accept what was asked: a 4xx that no other class names."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(
            f"Letta did not accept {what} (HTTP {status}). Nothing was changed; the same call will fail again, "
            "so change its arguments."
        )


class RateLimited(LettaFailure):
    """429: too much for now, or for the account."""

    def __init__(self, retry_after: float | None) -> None:
        when = f"in {retry_after:.0f} seconds" if retry_after is not None else "in a minute"
        super().__init__(f"Letta is limiting requests. Nothing was done; it is safe to try again {when}.")
        self.retry_after = retry_after


class OutOfCredits(LettaFailure):
    """402, or a 429 that speaks of a quota: waiting doesn't help."""

    def __init__(self) -> None:
        super().__init__(
            "The Letta account is out of credits or over its quota. Nothing was done; tell the person, "
            "since trying again can't help until that is settled."
        )


class LettaUnavailable(LettaFailure):
    """No usable answer: no connection, a 5xx, a time-out. Only for what certainly changed nothing."""

    def __init__(self, address: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(f"Letta at {address} {problem}. Nothing was changed; it is safe to try again.")
        self.retry_after = retry_after


class OutcomeUnknown(LettaFailure):
    """A request that changes something got no usable answer, so it may or may not have been carried out.

    Attributes:
        is_repeatable: whether Letta takes the same request, with the same otid, for the same message.
    """

    def __init__(
        self, address: str, problem: str, check: str, *, is_repeatable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(f"Letta at {address} {problem}. It may have been carried out: {check} before trying again.")
        self.is_repeatable = is_repeatable
        self.retry_after = retry_after


class NotSupported(LettaFailure):
    """This kind of Letta lacks it. `what` completes "can't"."""

    def __init__(self, what: str) -> None:
        super().__init__(f"A Letta App Server can't {what}. Nothing was done; the same call will fail again.")
