"""`letta-conv-mcp setup-local`: a model and a first agent for the Letta on this machine.

Connecting a provider proves nothing: the App Server takes a dead address and a wrong key alike. So a model is only
remembered after an agent of it has answered.
"""

import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from threading import Event

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from letta_conv_mcp.app import open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.cli.asking import SetupFailed, asked, chosen, is_terminal, secret
from letta_conv_mcp.errors import LettaFailure
from letta_conv_mcp.letta.port import NewAgent, NewConversation
from letta_conv_mcp.local.child import check_machine
from letta_conv_mcp.local.opening import Local, connect, open_local
from letta_conv_mcp.local.providers import PROVIDERS, Provider, handle_named, handles_of, provider_named
from letta_conv_mcp.local.standin import HANDLE as STANDIN
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.views import Agent

NOTHING = "Nothing was set up."
PAGE = 100
TEST_MESSAGE = "Say hello in a few words."
CLEAN_UP_SECONDS = 5.0
TEST_SECONDS = 180.0
"""A model on this machine may have to be loaded first."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the flags say; None where a person is asked.

    Attributes:
        provider: a provider's id.
        address: where it is.
        model: the model's name or handle.
        key_from_stdin: read the key from stdin.
        agent: the name of an agent to make.
        persona: what it is like.
        human: what it knows about the person.
    """

    provider: str | None = None
    address: str | None = None
    model: str | None = None
    key_from_stdin: bool = False
    agent: str | None = None
    persona: str | None = None
    human: str | None = None


def run_setup_local(settings: Settings, wanted: Wanted) -> int:
    """Set up the Letta on this machine. Returns the exit status."""
    # A closed terminal ends it as Ctrl-C does: with what was there before.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        check_machine(settings.local_environment)
        provider = _provider(wanted)
        fields = _fields(settings, provider, wanted)
        print("Starting Letta on this machine.", flush=True)
        # Its event loop has a thread of its own: while somebody thinks, the connections stay alive, and Ctrl-C works.
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_local(settings)) as local:
            failure = _set_up(_Setup(settings, local, portal, wanted), provider, fields)
    except (SetupFailed, LettaFailure) as reason:
        failure = str(reason)
    except (EOFError, KeyboardInterrupt):
        failure = NOTHING
    if failure is not None:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    if not settings.is_local:
        print("It is used where neither LETTA_API_KEY nor LETTA_BASE_URL is set, or LETTA_BASE_URL is local.")
    return 0


def _set_up(setup: "_Setup", provider: Provider, fields: dict[str, str]) -> str | None:
    """Why it can't be done; None when it is done."""
    # Caught inside: the task groups of the connections would wrap it.
    try:
        handle = setup.model(provider, fields)
        setup.first_agent(handle)
    except (SetupFailed, LettaFailure) as failure:
        return str(failure)
    except (EOFError, KeyboardInterrupt):
        return NOTHING
    return None


def _provider(wanted: Wanted) -> Provider:
    if (wanted.persona or wanted.human) and not wanted.agent:
        raise SetupFailed("--persona and --human are an agent's, so --agent has to name it.")
    name = wanted.provider or chosen("Which model provider?", [known.id for known in PROVIDERS])
    if (provider := provider_named(name)) is None:
        raise SetupFailed(f"--provider must be one of {', '.join(known.id for known in PROVIDERS)}, got {name!r}.")
    return provider


def _fields(settings: Settings, provider: Provider, wanted: Wanted) -> dict[str, str]:
    """What the server is told of the provider; nothing where it finds all that it needs in the environment."""
    fields: dict[str, str] = {}
    if provider.has_address:
        usual = provider.address if wanted.provider else None
        fields["baseUrl"] = wanted.address or usual or asked("Its address", provider.address)
        if not fields["baseUrl"].startswith(("http://", "https://")) or "@" in fields["baseUrl"]:
            raise SetupFailed("Its address must begin with http:// or https://, without a user name or password.")
    elif wanted.address is not None:
        raise SetupFailed(f"--address has no meaning for {provider.title}, which is at one place.")
    if wanted.key_from_stdin:
        fields["apiKey"] = secret("The key") if is_terminal() else sys.stdin.readline().strip()
    elif provider.key_variable is None:
        if wanted.provider is None and provider.address is None:
            fields["apiKey"] = secret("Its key, if it wants one")
    elif provider.key_variable in settings.local_environment:
        print(f"The key in {provider.key_variable} is used and not kept: it has to be there for every start.")
        return {}
    else:
        fields["apiKey"] = secret(f"The key (or set {provider.key_variable})")
    if provider.key_variable is not None and not fields["apiKey"]:
        raise SetupFailed(f"{provider.title} wants a key.")
    return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True)
class _Setup:
    """What is done with the server that runs."""

    settings: Settings
    local: Local
    portal: BlockingPortal
    wanted: Wanted

    def model(self, provider: Provider, fields: dict[str, str]) -> str:
        """Have a model of the provider's answer, and give it to agents from now on; its handle."""
        local, portal = self.local, self.portal
        endpoint = portal.call(local.server.endpoint)
        with local.folder.providers_restored_on_failure():
            if fields:
                portal.call(connect, endpoint, provider.id, fields)
            handle = self._handle(provider)
            print(f"Trying {handle} out: ", end="", flush=True)
            print(self._finished(partial(_tried_out, self.settings, local, handle)))
            local.folder.save_model(handle, provider.id)
        print(f"New agents get {handle}.")
        if fields.get("apiKey"):
            print(f"The key is kept in {local.folder.keys}, which only you can read.")
        for agent in portal.call(_lifted_from_standin, local, handle):
            print(f"{agent.name} ({agent.id}) gets it too.")
        return handle

    def first_agent(self, handle: str) -> None:
        """Make the agent that was asked for; where nobody was asked and there is none, ask."""
        try:
            new = self._wanted_agent(handle)
        except (EOFError, KeyboardInterrupt):
            print("\nNo agent was made.")
            return
        if new is not None:
            agent = self.portal.call(self.local.letta.create_agent, new)
            print(f"{agent.name} is there: {agent.id}")

    def _wanted_agent(self, handle: str) -> NewAgent | None:
        name, persona, human = (self.wanted.agent or "").strip(), self.wanted.persona, self.wanted.human
        is_first = not self.portal.call(partial(self.local.letta.agents, limit=1))
        if not name and is_first and self.wanted.provider is None:
            name = asked("The name of your first agent (empty: none)", "")
            if name:
                persona = asked("What is it like, in its own words?", "") or None
                human = asked("What should it know about you?", "") or None
        return NewAgent(name=name, model=handle, persona=persona, human=human) if name else None

    def _finished(self, work: Callable[[], Awaitable[str]]) -> str:
        """What some work brings. It is cleaned up after, also when the person presses Ctrl-C."""
        is_over = Event()

        async def run() -> str:
            try:
                return await work()
            finally:
                is_over.set()

        future = self.portal.start_task_soon(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            is_over.wait(CLEAN_UP_SECONDS)
            raise

    def _handle(self, provider: Provider) -> str:
        offered = self.portal.call(self.local.letta.models)
        handles = [handle for handle in handles_of(provider, offered) if handle != STANDIN]
        if not handles:
            raise SetupFailed(f"{provider.title} offers no model there. Does it run, and has it loaded one?")
        name = self.wanted.model or (handles[0] if len(handles) == 1 else chosen("Which model?", handles))
        if (handle := handle_named(provider, name, handles)) is None:
            raise SetupFailed(f"{provider.title} offers no model {name!r}. Offered: {', '.join(handles)}.")
        return handle


async def _tried_out(settings: Settings, local: Local, handle: str) -> str:
    """What an agent of a model answers; it is deleted afterwards."""
    agent = await local.letta.create_agent(NewAgent(name="setup-local tries a model", model=handle))
    try:
        conversation = await local.letta.create_conversation(NewConversation(agent_id=agent.id))
        async with open_app(settings, local.letta, Cancels()) as app:
            turn = app.hub.start(conversation.id, TEST_MESSAGE, tokens=False)
            with anyio.move_on_after(TEST_SECONDS):
                await turn.over.wait()
            reply = turn.reply()
    finally:
        with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
            await local.letta.delete_agent(agent.id)
    if reply.status != "completed" or not reply.text.strip():
        raise SetupFailed(
            f"{handle} did not answer ({reply.stop_reason or reply.status}), so it was not set up. Is the key right, "
            "has the account credit, does the model run?"
        )
    return " ".join(reply.text.split())


async def _lifted_from_standin(local: Local, handle: str) -> list[Agent]:
    """The agents that were made before there was a model, and get this one."""
    lifted: list[Agent] = []
    after: str | None = None
    while page := await local.letta.agents(after=after, limit=PAGE):
        lifted += [agent for agent in page if agent.model == STANDIN]
        after = page[-1].id
    for agent in lifted:
        await local.letta.use_model(agent.id, handle)
    return lifted
