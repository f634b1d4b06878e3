"""`letta-conv-mcp setup-local`: a model and a first agent for the Letta on this machine.

Connecting a provider proves nothing: the App Server takes a dead address and a wrong key alike. So a model is only
remembered after an agent of it has answered.
"""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from letta_conv_mcp.app import open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.errors import LettaFailure
from letta_conv_mcp.letta.port import NewAgent, NewConversation
from letta_conv_mcp.local.opening import Local, connect, open_local
from letta_conv_mcp.local.providers import PROVIDERS, Provider, handle_named, handles_of, provider_named
from letta_conv_mcp.local.standin import HANDLE as STANDIN
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.views import Agent

NOTHING = "Nothing was set up."
TEST_MESSAGE = "Say hello in a few words."
TEST_SECONDS = 180.0
"""A model on this machine may have to be loaded first."""


class SetupFailed(Exception):
    """It can't go on; the text says why and what to do."""


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
    try:
        provider = _provider(wanted)
        fields = _fields(settings, provider, wanted)
        print("Starting Letta on this machine.", flush=True)
        # Its event loop has a thread of its own: while somebody thinks, the connections stay alive, and Ctrl-C works.
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_local(settings)) as local:
            failure = _set_up(_Setup(settings, local, portal, wanted), provider, fields)
    except SetupFailed as reason:
        failure = str(reason)
    except (EOFError, KeyboardInterrupt):
        failure = NOTHING
    if failure is not None:
        print(f"\n{failure}", file=sys.stderr)
    return 0 if failure is None else 1


def _set_up(setup: "_Setup", provider: Provider, fields: dict[str, str]) -> str | None:
    """Why it can't be done; None when it is done."""
    # Caught inside: the task groups of the connections would wrap it.
    try:
        setup.model(provider, fields)
        setup.first_agent()
    except (SetupFailed, LettaFailure) as failure:
        return str(failure)
    except (EOFError, KeyboardInterrupt):
        return NOTHING
    return None


def _provider(wanted: Wanted) -> Provider:
    name = wanted.provider or _chosen("Which model provider?", [known.id for known in PROVIDERS])
    if (provider := provider_named(name)) is None:
        raise SetupFailed(f"--provider must be one of {', '.join(known.id for known in PROVIDERS)}, got {name!r}.")
    return provider


def _fields(settings: Settings, provider: Provider, wanted: Wanted) -> dict[str, str]:
    """What the server is told of the provider; nothing where it finds all that it needs in the environment."""
    fields: dict[str, str] = {}
    if provider.has_address:
        usual = provider.address if wanted.provider else None
        fields["baseUrl"] = wanted.address or usual or _asked("Its address", provider.address)
    elif wanted.address is not None:
        raise SetupFailed(f"--address has no meaning for {provider.title}, which is at one place.")
    if wanted.key_from_stdin:
        fields["apiKey"] = sys.stdin.readline().strip()
    elif provider.key_variable is None:
        if wanted.provider is None and provider.address is None:
            fields["apiKey"] = _secret("Its key, if it wants one")
    elif provider.key_variable in settings.local_environment:
        print(f"The key in {provider.key_variable} is used and not kept: it has to be there for every start.")
        return {}
    else:
        fields["apiKey"] = _secret(f"The key (or set {provider.key_variable})")
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

    def model(self, provider: Provider, fields: dict[str, str]) -> None:
        """Have a model of the provider's answer, and give it to agents from now on."""
        local, portal = self.local, self.portal
        endpoint = portal.call(local.server.endpoint)
        with local.folder.providers_restored_on_failure():
            if fields:
                portal.call(connect, endpoint, provider.id, fields)
            handle = self._handle(provider)
            print(f"Trying {handle} out: ", end="", flush=True)
            print(portal.call(_tried_out, self.settings, local, handle))
            local.folder.save_model(handle)
        print(f"New agents get {handle}.")
        if fields.get("apiKey"):
            print(f"The key is kept in {local.folder.keys}, which only you can read.")
        for agent in portal.call(_lifted_from_standin, local, handle):
            print(f"{agent.name} ({agent.id}) gets it too.")

    def first_agent(self) -> None:
        """Make the agent that was asked for; where nobody was asked and there is none, ask."""
        name, persona, human = self.wanted.agent, self.wanted.persona, self.wanted.human
        is_first = not self.portal.call(partial(self.local.letta.agents, limit=1))
        if name is None and is_first and self.wanted.provider is None:
            name = _asked("The name of your first agent (empty: none)", "")
            if name:
                persona = _asked("What is it like, in its own words?", "") or None
                human = _asked("What should it know about you?", "") or None
        if name:
            new = NewAgent(name=name, persona=persona, human=human)
            agent = self.portal.call(self.local.letta.create_agent, new)
            print(f"{agent.name} is there: {agent.id}")

    def _handle(self, provider: Provider) -> str:
        offered = self.portal.call(self.local.letta.models)
        handles = [handle for handle in handles_of(provider, offered) if handle != STANDIN]
        if not handles:
            raise SetupFailed(f"{provider.title} offers no model there. Does it run, and has it loaded one?")
        name = self.wanted.model or (handles[0] if len(handles) == 1 else _chosen("Which model?", handles))
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
        with anyio.move_on_after(5, shield=True):
            await local.letta.delete_agent(agent.id)
    if reply.status != "completed" or not reply.text.strip():
        raise SetupFailed(
            f"{handle} did not answer ({reply.stop_reason or reply.status}), so it was not set up. Is the key right, "
            "has the account credit, does the model run?"
        )
    return " ".join(reply.text.split())


async def _lifted_from_standin(local: Local, handle: str) -> list[Agent]:
    """The agents that were made before there was a model, and get this one."""
    agents = [agent for agent in await local.letta.agents(limit=100) if agent.model == STANDIN]
    for agent in agents:
        await local.letta.use_model(agent.id, handle)
    return agents


def _chosen(question: str, choices: Sequence[str]) -> str:
    """One of some choices, by its number or in its own words."""
    _need_terminal()
    for number, choice in enumerate(choices, 1):
        print(f"  {number:3}  {choice}")
    answer = _asked(question, "1")
    return choices[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(choices) else answer


def _asked(question: str, default: str | None) -> str:
    _need_terminal()
    shown = f" [{default}]" if default else ""
    return input(f"{question}{shown}: ").strip() or default or ""


def _secret(question: str) -> str:
    _need_terminal()
    return getpass.getpass(f"{question}: ").strip()


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise SetupFailed(
            "This is no terminal, so nobody can be asked: give --provider, --model, and --address or --key-stdin."
        )
