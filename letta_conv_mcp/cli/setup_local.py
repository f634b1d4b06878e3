"""`letta-conv-mcp setup-local`: a model and a first agent for the Letta on this machine.

Connecting a provider proves nothing: the App Server takes a dead address and a wrong key alike. So a model is only
remembered after an agent of it has answered.
"""

import getpass
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread

from letta_conv_mcp.app import open_app
from letta_conv_mcp.cancels import Cancels
from letta_conv_mcp.errors import LettaFailure
from letta_conv_mcp.letta.port import NewAgent, NewConversation
from letta_conv_mcp.local.opening import Local, connect, open_local
from letta_conv_mcp.local.providers import PROVIDERS, Provider, handle_named, handles_of, provider_named
from letta_conv_mcp.local.standin import HANDLE as STANDIN
from letta_conv_mcp.settings import Settings
from letta_conv_mcp.views import Reply

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
        failure = anyio.run(_set_up, settings, wanted)
    except KeyboardInterrupt:
        failure = NOTHING
    if failure is not None:
        print(f"\n{failure}", file=sys.stderr)
    return 0 if failure is None else 1


async def _set_up(settings: Settings, wanted: Wanted) -> str | None:
    """Why it can't be done; None when it is done."""
    try:
        provider = await _provider(wanted)
        fields = await _fields(settings, provider, wanted)
    except SetupFailed as failure:
        return str(failure)
    except EOFError:
        return NOTHING
    print("Starting Letta on this machine.", flush=True)
    async with open_local(settings) as local:
        # Caught inside: the task groups of the connections would wrap it.
        try:
            handle = await _connected(settings, local, provider, fields, wanted)
            await _lift_from_standin(local, handle)
            await _first_agent(local, wanted)
        except (SetupFailed, LettaFailure) as failure:
            return str(failure)
        except EOFError:
            return NOTHING
    return None


async def _provider(wanted: Wanted) -> Provider:
    name = wanted.provider or await _chosen("Which model provider?", [known.id for known in PROVIDERS])
    if (provider := provider_named(name)) is None:
        raise SetupFailed(f"--provider must be one of {', '.join(known.id for known in PROVIDERS)}, got {name!r}.")
    return provider


async def _connected(
    settings: Settings, local: Local, provider: Provider, fields: dict[str, str], wanted: Wanted
) -> str:
    """The handle of a model of the provider's that has answered, and is remembered from now on."""
    endpoint = await local.server.endpoint()
    with local.folder.providers_restored_on_failure():
        if fields:
            await connect(endpoint, provider.id, fields)
        handle = await _model(local, provider, wanted)
        await _try_out(settings, local, handle)
    local.folder.save_model(handle)
    print(f"New agents get {handle}.")
    if fields.get("apiKey"):
        print(f"The key is kept in {local.folder.keys}, which only you can read.")
    return handle


async def _fields(settings: Settings, provider: Provider, wanted: Wanted) -> dict[str, str]:
    """What the server is told of the provider; nothing where it finds all that it needs in the environment."""
    fields: dict[str, str] = {}
    if provider.has_address:
        usual = provider.address if wanted.provider else None
        fields["baseUrl"] = wanted.address or usual or await _asked("Its address", provider.address)
    elif wanted.address is not None:
        raise SetupFailed(f"--address has no meaning for {provider.title}, which is at one place.")
    if wanted.key_from_stdin:
        fields["apiKey"] = sys.stdin.readline().strip()
    elif provider.key_variable is None:
        if wanted.provider is None and provider.address is None:
            fields["apiKey"] = await _secret("Its key, if it wants one")
    elif provider.key_variable in settings.local_environment:
        print(f"The key in {provider.key_variable} is used and not kept: it has to be there for every start.")
    else:
        fields["apiKey"] = await _secret(f"The key (or set {provider.key_variable})")
        if not fields["apiKey"]:
            raise SetupFailed(f"{provider.title} wants a key.")
    return {name: value for name, value in fields.items() if value}


async def _model(local: Local, provider: Provider, wanted: Wanted) -> str:
    handles = [handle for handle in handles_of(provider, await local.letta.models()) if handle != STANDIN]
    if not handles:
        raise SetupFailed(f"{provider.title} offers no model there. Does it run, and has it loaded one?")
    name = wanted.model or (handles[0] if len(handles) == 1 else await _chosen("Which model?", handles))
    if (handle := handle_named(provider, name, handles)) is None:
        raise SetupFailed(f"{provider.title} offers no model {name!r}. Offered: {', '.join(handles)}.")
    return handle


async def _try_out(settings: Settings, local: Local, handle: str) -> None:
    """Have an agent of the model answer; it is deleted afterwards."""
    print(f"Trying {handle} out: ", end="", flush=True)
    agent = await local.letta.create_agent(NewAgent(name="setup-local tries a model", model=handle))
    try:
        reply = await _reply(settings, local, agent.id)
    finally:
        with anyio.move_on_after(5, shield=True):
            await local.letta.delete_agent(agent.id)
    if reply.status != "completed" or not reply.text.strip():
        raise SetupFailed(
            f"{handle} did not answer ({reply.stop_reason or reply.status}), so it was not set up. Is the key right, "
            "has the account credit, does the model run?"
        )
    print(" ".join(reply.text.split()))


async def _reply(settings: Settings, local: Local, agent_id: str) -> Reply:
    conversation = await local.letta.create_conversation(NewConversation(agent_id=agent_id))
    async with open_app(settings, local.letta, Cancels()) as app:
        turn = app.hub.start(conversation.id, TEST_MESSAGE, tokens=False)
        with anyio.move_on_after(TEST_SECONDS):
            await turn.over.wait()
        return turn.reply()


async def _lift_from_standin(local: Local, handle: str) -> None:
    """Agents that were made before there was a model get this one."""
    for agent in await local.letta.agents(limit=100):
        if agent.model == STANDIN:
            await local.letta.use_model(agent.id, handle)
            print(f"{agent.name} ({agent.id}) gets it too.")


async def _first_agent(local: Local, wanted: Wanted) -> None:
    name, persona, human = wanted.agent, wanted.persona, wanted.human
    if name is None and sys.stdin.isatty() and not wanted.key_from_stdin and not await local.letta.agents(limit=1):
        name = await _asked("The name of your first agent (empty: none)", "")
        persona = persona or (name and await _asked("What is it like, in its own words?", "")) or None
        human = human or (name and await _asked("What should it know about you?", "")) or None
    if name:
        agent = await local.letta.create_agent(NewAgent(name=name, persona=persona, human=human))
        print(f"{agent.name} is there: {agent.id}")


async def _chosen(question: str, choices: Sequence[str]) -> str:
    """One of some choices, by its number or in its own words."""
    for number, choice in enumerate(choices, 1):
        print(f"  {number:3}  {choice}")
    answer = await _asked(question, "1")
    return choices[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(choices) else answer


async def _asked(question: str, default: str | None) -> str:
    shown = f" [{default}]" if default else ""
    return (await _from_person(lambda: input(f"{question}{shown}: "))).strip() or default or ""


async def _secret(question: str) -> str:
    return (await _from_person(lambda: getpass.getpass(f"{question}: "))).strip()


async def _from_person(ask: Callable[[], str]) -> str:
    if not sys.stdin.isatty():
        raise SetupFailed(
            "This is no terminal, so nobody can be asked: give --provider, --model, and --address or --key-stdin."
        )
    # In a thread: the connections must stay alive while somebody thinks.
    return await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
