"""A first agent, where there is none."""

from mcp import Client

from letta_conv_mcp.cli.chat_screen import Screen
from letta_conv_mcp.cli.chat_text import for_people
from letta_conv_mcp.cli.own_server import CallFailed, call

NOBODY = "There is no agent yet."


async def make_first_agent(client: Client, screen: Screen, model: str | None) -> str | None:
    """The id of an agent that the person names; None where they don't.

    Args:
        client: the connection to our server.
        screen: where they are asked.
        model: its model; None for the one that is set up.

    Raises:
        CallFailed: it can't be made with the model that they chose.
    """
    if not screen.can_ask:
        screen.wrong(f"{NOBODY} Start the chat in a terminal to make one.")
        return None
    try:
        return await _asked(client, screen, model)
    except (EOFError, KeyboardInterrupt):
        return None


async def _asked(client: Client, screen: Screen, model: str | None) -> str | None:
    name = (await screen.ask(f"{NOBODY} Name one to make it, or press Enter to leave: ")).strip()
    if not name:
        return None
    persona = (await screen.ask("What is it like, in its own words? ")).strip() or None
    human = (await screen.ask("What should it know about you? ")).strip() or None
    about = {"name": name, "persona": persona, "human": human}
    try:
        return (await call(client, "create_agent", {**about, "model": model}))["id"]
    except CallFailed as failure:
        # It names the models there are, where one has to be chosen.
        screen.wrong(for_people(str(failure)))
    chosen = (await screen.ask("Its model, or press Enter to leave: ")).strip()
    return (await call(client, "create_agent", {**about, "model": chosen}))["id"] if chosen else None
