"""The chat itself: which agent and conversation one is in, and what each command does there."""

from collections.abc import Awaitable, Callable
from typing import Any, assert_never

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED

from letta_conv_mcp.cli import chat_views as views
from letta_conv_mcp.cli.chat_commands import (
    Command,
    Decide,
    ListConversations,
    New,
    Plain,
    PlainName,
    Say,
    ShowHistory,
    Switch,
    SwitchAgent,
    Verdict,
    Wrong,
    command_from_line,
    help_lines,
    numbered,
)
from letta_conv_mcp.cli.chat_consent import verdict_on
from letta_conv_mcp.cli.chat_first import make_first_agent
from letta_conv_mcp.cli.chat_lists import conversations, last_messages
from letta_conv_mcp.cli.chat_screen import Screen
from letta_conv_mcp.cli.chat_talk import Talk
from letta_conv_mcp.cli.chat_text import for_people
from letta_conv_mcp.cli.chat_views import Structure
from letta_conv_mcp.cli.own_server import CallFailed, call

AGENTS = 100
NEWEST = 3
HINT = "/help shows what there is. Ctrl-C stops a reply, Ctrl-D leaves.\n"
DENIED = "The person denied it."
LEFT = "It is waited for no longer; /wait or /history shows what became of it.\n"
LATER = "Nothing was decided; /decide does it later. Until then the agent takes no message here.\n"


class Room:
    """Where one is in the chat.

    Args:
        client: the connection to our server.
        screen: where it is shown.
        talk: what brings replies.
        model: the model of an agent that is made where there is none; None for the one that is set up.
    """

    def __init__(self, client: Client, screen: Screen, talk: Talk, *, model: str | None) -> None:
        self._client = client
        self._screen = screen
        self._talk = talk
        self._model = model
        self._conversation: Structure = {}
        self._agent_name = ""
        self._agents: list[Structure] | None = None
        self._conversations: list[Structure] | None = None
        self._said: dict[str, int] = {}
        self._doing: anyio.CancelScope | None = None

    async def enter(self, agent: str | None) -> bool:
        """Begin where one was last with an agent, or with the first there is.

        Returns False where there is none.

        Raises:
            CallFailed: there is no such agent, or Letta can't be asked.
        """
        if agent is None:
            agents = (await self._call("list_agents", limit=1))["agents"]
            agent = agents[0]["id"] if agents else await make_first_agent(self._client, self._screen, self._model)
        if agent is None:
            return False
        if self._screen.can_ask:
            self._screen.show([("class:dim", HINT)])
        await self._resume(agent)
        return True

    async def stay(self) -> None:
        """Do what the person says until they leave."""
        while True:
            try:
                line = await self._screen.line(views.prompt_of(self._agent_name, self._conversation))
            except EOFError:
                return
            except KeyboardInterrupt:
                continue
            command = command_from_line(line)
            if command == Plain("quit"):
                return
            if command is not None:
                await self._try(command)

    def interrupt(self) -> bool:
        """Stop the reply or the command that goes on. Returns False where Ctrl-C means the end.

        At a prompt it is a key, and in a terminal it never ends the program once one is in.
        """
        if self._talk.interrupt():
            return True
        if self._doing is not None:
            self._doing.cancel()
            return True
        return self._screen.can_ask and bool(self._conversation)

    async def _try(self, command: Command) -> None:
        """Do it as far as it can be done.

        Raises:
            MCPError: the connection ended.
        """
        with anyio.CancelScope() as self._doing:
            try:
                await self._do(command)
            except CallFailed as failure:
                self._screen.wrong(for_people(str(failure)))
            except MCPError as failure:
                if failure.code == CONNECTION_CLOSED:
                    raise
                self._screen.wrong(str(failure))
        if self._doing.cancelled_caught:
            self._screen.show([("class:asks", "Stopped.\n")])
        self._doing = None

    async def _do(self, command: Command) -> None:
        match command:
            case Say(text):
                if await self._reply("send_message", message=text):
                    self._said[self._id] = self._said.get(self._id, 0) + 1
            case New(name):
                made = await self._call("create_conversation", agent_id=self._conversation["agent_id"], summary=name)
                await self._go_to(made["id"], is_new=True)
            case ListConversations(is_all):
                await self._list(is_all=is_all)
            case Switch(wanted):
                await self._switch(wanted)
            case ShowHistory(count):
                said = await last_messages(self._client, self._id, count)
                self._screen.show(views.history_view(said, self._agent_name))
            case SwitchAgent(wanted):
                await self._switch_agent(wanted)
            case Decide(verdict, reason):
                await self._decide(verdict, reason)
            case Plain(name):
                await self._do_plain(name)
            case Wrong(sentence):
                self._screen.wrong(sentence)
            case _:
                assert_never(command)

    async def _do_plain(self, name: PlainName) -> None:
        match name:
            case "info":
                said = await last_messages(self._client, self._id, NEWEST)
                ids = dict.fromkeys(message["id"] for message in said)
                about = await self._call("retrieve_conversation", conversation_id=self._id)
                self._screen.show(views.info_view(about, sent=self._said.get(self._id, 0), newest=list(ids)))
            case "agents":
                await self._list_agents()
            case "wait":
                await self._reply("wait_for_reply")
            case "help":
                self._screen.show(help_lines())
            case "quit":
                # Was dealt with.
                pass
            case _:
                assert_never(name)

    # Replies

    async def _reply(self, tool: str, **arguments: Any) -> bool:
        """Have a reply, and put what the agent asks for to the person. Returns whether it didn't fail."""
        reply = await self._talk.reply(tool, self._id, self._agent_name, **arguments)
        if reply is None:
            self._screen.show([("class:asks", LEFT)])
            return True
        self._screen.show(views.ending_view(reply))
        if (failure := views.failure_text(reply)) is not None:
            self._screen.wrong(failure)
        if reply["status"] == "awaiting_approval" and reply["approvals"]:
            await self._put(reply["approvals"])
        return failure is None

    async def _decide(self, verdict: Verdict | None, reason: str | None) -> None:
        approvals = (await self._call("retrieve_conversation", conversation_id=self._id))["approvals"]
        if not approvals:
            self._screen.wrong("Nothing waits for a decision here.")
        elif verdict is None:
            await self._put(approvals)
        else:
            await self._answer(approvals, verdict, reason)

    async def _put(self, approvals: list[Structure]) -> None:
        verdict = await verdict_on(approvals, self._screen)
        if verdict is None:
            self._screen.show([("class:asks", LATER)])
        else:
            await self._answer(approvals, verdict, None)

    async def _answer(self, approvals: list[Structure], verdict: Verdict, reason: str | None) -> None:
        call_ids = [approval["tool_call_id"] for approval in approvals]
        why = reason or (DENIED if verdict == "deny" else None)
        await self._reply("answer_approval", **{verdict: call_ids}, reason=why)

    # Places

    async def _resume(self, agent: str) -> None:
        latest = await self._call("list_conversations", agent_id=agent, archived=False, limit=1)
        if latest["conversations"]:
            await self._go_to(latest["conversations"][0]["id"], is_new=False)
        else:
            made = await self._call("create_conversation", agent_id=agent)
            await self._go_to(made["id"], is_new=True)

    async def _go_to(self, conversation_id: str, *, is_new: bool) -> None:
        there = await self._call("retrieve_conversation", conversation_id=conversation_id)
        if there["agent_id"] != self._conversation.get("agent_id"):
            self._conversations = None
        self._conversation, self._agent_name = there, there["agent_name"] or there["agent_id"]
        self._screen.show(views.opening_view(there, is_new=is_new))

    async def _switch(self, wanted: str) -> None:
        picked = await self._picked(wanted, "/list", self._conversations, self._list)
        if picked is not None:
            await self._go_to(picked, is_new=False)

    async def _switch_agent(self, wanted: str) -> None:
        picked = await self._picked(wanted, "/agents", self._agents, self._list_agents)
        if picked is not None:
            await self._resume(picked)

    async def _picked(
        self, wanted: str, command: str, listed: list[Structure] | None, show: Callable[[], Awaitable[list[Structure]]]
    ) -> str | None:
        """What was typed, or the id at that place of a list, which is shown where it wasn't yet; None for no place."""
        if not wanted.isdecimal():
            return wanted
        if listed is None:
            listed = await show()
        place = numbered(wanted, len(listed))
        if place is None:
            self._screen.wrong(f"{command} shows {len(listed)}, and none with the number {wanted}.")
            return None
        return listed[place]["id"]

    async def _list(self, *, is_all: bool = False) -> list[Structure]:
        """Show the conversations, which then have numbers."""
        listed, has_more = await conversations(self._client, self._conversation["agent_id"], is_all=is_all)
        self._conversations = listed
        self._screen.show(views.conversations_view(listed, self._id))
        if has_more:
            self._screen.show([("class:dim", "These are the latest; /list all shows all.\n")])
        return listed

    async def _list_agents(self) -> list[Structure]:
        """Show the agents, which then have numbers."""
        page = await self._call("list_agents", limit=AGENTS)
        listed: list[Structure] = page["agents"]
        self._agents = listed
        self._screen.show(views.agents_view(listed, self._conversation["agent_id"]))
        if page["next_cursor"]:
            self._screen.show([("class:dim", "There are more; /agent takes any of them by name or id.\n")])
        return listed

    @property
    def _id(self) -> str:
        return self._conversation["id"]

    async def _call(self, tool: str, **arguments: Any) -> Structure:
        return await call(self._client, tool, arguments)
