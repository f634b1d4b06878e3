"""A Letta App Server, over its WebSocket, as the `Letta` protocol.

What each request does was seen on letta 0.34.12. The server keeps no runs that can be asked for: what is known of a
turn is what its connections told, and what stands in the history.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from pydantic import SecretStr

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_json import DEFAULT_THREAD, entries_from_messages, message_fields, runtime_of
from letta_conv_mcp.letta.appserver_legs import Leg
from letta_conv_mcp.letta.appserver_link import Link
from letta_conv_mcp.letta.appserver_memory import edit_memory
from letta_conv_mcp.letta.appserver_talks import Talk
from letta_conv_mcp.letta.content import Json, content_text, first_object, objects, text_or_none
from letta_conv_mcp.letta.events import Frame
from letta_conv_mcp.letta.port import (
    NOT_RECORDED,
    ConversationQuery,
    Decision,
    NewConversation,
    Order,
    Outgoing,
    Run,
)
from letta_conv_mcp.letta.records import (
    DEFAULT_PREFIX,
    agent_from_json,
    approvals_from_json,
    conversation_from_json,
    default_conversation_json,
)
from letta_conv_mcp.views import Agent, Approval, Conversation

NAMESAKES_LOOKED_AT = 100
PAGE = 100
PAGES_LOOKED_THROUGH = 10
"""How far back in the history a run is looked for."""


@asynccontextmanager
async def open_app_server(
    address: str, token: SecretStr | None = None, *, tools: Sequence[str] = ()
) -> AsyncGenerator["AppServerLetta"]:
    """The App Server at an address. Nothing is asked of it before it is needed.

    Args:
        address: ws:// or wss://, without the path.
        token: its capability token.
        tools: the server's own tools that agents may ask a person to use.
    """
    async with anyio.create_task_group() as group:
        link = Link(address, token, group, edit_memory)
        try:
            yield AppServerLetta(link, tools)
        finally:
            with anyio.move_on_after(1, shield=True):
                await link.close()
            group.cancel_scope.cancel()


class AppServerLetta:
    """The `Letta` protocol over an App Server's WebSocket.

    Args:
        link: the connections.
        tools: the server's own tools that agents may ask a person to use.
    """

    def __init__(self, link: Link, tools: Sequence[str] = ()) -> None:
        self._link = link
        self._tools = tools

    async def agents(
        self, *, query: str | None = None, name: str | None = None, after: str | None = None, limit: int
    ) -> list[Agent]:
        wanted: dict[str, object] = {"limit": limit if name is None else NAMESAKES_LOOKED_AT}
        if query or name:
            wanted["query_text"] = name or query
        if after:
            wanted["after"] = after
        answer = await self._link.ask("agent_list", query=wanted)
        agents = [agent_from_json(agent) for agent in objects(answer.get("agents"))]
        # It looks for parts of names only.
        return [agent for agent in agents if name in (None, agent.name)][:limit]

    async def agent(self, agent_id: str) -> Agent:
        return agent_from_json(await self._agent_json(agent_id, errors.AgentNotFound(agent_id)))

    async def conversations(
        self, query: ConversationQuery, *, after: str | None = None, limit: int
    ) -> list[Conversation]:
        if (query.order_by, query.order) != ("last_message_at", "desc"):
            raise errors.NotSupported("list conversations in another order than the most recently active first")
        if after is not None:
            # It answers an unknown cursor with the first page, and a walk would never end.
            await self._link.ask("conversation_retrieve", errors.UnknownCursor("cursor", after), conversation_id=after)
        wanted = {"agent_id": query.agent_id, "after": after, "limit": limit}
        answer = await self._link.ask(
            "conversation_list", query={name: value for name, value in wanted.items() if value is not None}
        )
        return [conversation_from_json(conversation) for conversation in objects(answer.get("conversations"))]

    async def conversation(self, conversation_id: str) -> Conversation:
        return conversation_from_json(await self._conversation_json(conversation_id))

    async def create_conversation(self, new: NewConversation) -> Conversation:
        if new.description is not None:
            raise errors.NotSupported("keep a conversation's description; put it into the summary")
        wanted = {"agent_id": new.agent_id, "summary": new.summary, "model": new.model}
        answer = await self._link.ask(
            "conversation_create",
            errors.AgentNotFound(new.agent_id),
            check="call list_conversations to see",
            body={name: value for name, value in wanted.items() if value is not None},
        )
        return conversation_from_json(first_object(answer.get("conversation")))

    async def messages(
        self, conversation_id: str, *, order: Order, before: str | None = None, after: str | None = None, limit: int
    ) -> list[Json]:
        query: dict[str, object] = {"order": order, "limit": limit}
        path_id = conversation_id
        if conversation_id.startswith(DEFAULT_PREFIX):
            path_id, query["agent_id"] = DEFAULT_THREAD, conversation_id.removeprefix(DEFAULT_PREFIX)
        cursors = {"before": before, "after": after}
        query |= {name: value for name, value in cursors.items() if value is not None}
        missing = errors.ConversationNotFound(conversation_id)
        answer = await self._link.ask("conversation_messages_list", missing, conversation_id=path_id, query=query)
        return entries_from_messages(answer.get("messages"))

    async def pending_approvals(self, conversation_id: str) -> list[Approval]:
        talk = await self._talk(conversation_id)
        if talk.knows_all_approvals or not talk.requests:
            return talk.approvals
        # The server tells the open question only; the calls made in the same step wait behind it.
        newest = await self.messages(conversation_id, order="desc", limit=PAGE)
        step: list[Json] = []
        for message in newest:
            if message.get("message_type") in ("tool_return_message", "user_message"):
                break
            step.append(message)
        return approvals_from_json(reversed(step)) or talk.approvals

    async def runs(self, conversation_id: str, *, active: bool = False, limit: int = 1) -> list[Run]:
        talk = await self._talk(conversation_id)
        if talk.active is not None:
            return [_run_of(talk, talk.active)]
        is_busy = talk.is_processing and not talk.requests
        if active and not is_busy:
            return []
        newest = await self.messages(conversation_id, order="desc", limit=PAGE)
        said = [_message_id(message) for message in newest if message.get("message_type") == "user_message"]
        if is_busy and said and talk.is_processing:
            return [_run_of(talk, talk.suppose(said[0]))]
        return [] if active else [_run_in_history(talk, message_id) for message_id in said][:limit]

    async def run(self, run_id: str, conversation_id: str) -> Run:
        talk = await self._talk(conversation_id)
        leg = talk.leg(run_id)
        if leg is not None and not leg.is_cut:
            return _run_of(talk, leg)
        if not await self._segment(conversation_id, run_id):
            raise errors.RunNotFound(conversation_id, run_id)
        return _run_in_history(talk, run_id)

    async def run_messages(self, run: Run) -> list[Json]:
        conversation_id = run.conversation_id or f"{DEFAULT_PREFIX}{run.agent_id}"
        leg = (await self._talk(conversation_id)).leg(run.id)
        return await self._segment(conversation_id, leg.message_id if leg else run.id)

    @asynccontextmanager
    async def open_turn(
        self, conversation_id: str, outgoing: Outgoing, otid: str, *, tokens: bool, repeats: bool = False
    ) -> AsyncGenerator[AsyncIterator[Frame]]:
        del tokens, repeats  # It always streams pieces, and takes a message of the same id only once.
        talk = await self._talk(conversation_id)
        await self._link.start(talk)
        if isinstance(outgoing, str):
            leg = await self._say(talk, outgoing, otid)
        else:
            leg = await self._decide(talk, outgoing, otid)
        yield leg.follow(0)

    async def find_run(self, conversation_id: str, outgoing: Outgoing, otid: str) -> Run | None:
        talk = await self._talk(conversation_id)
        leg = talk.leg(otid)
        if leg is not None and leg.has_begun and not leg.is_cut:
            return _run_of(talk, leg)
        if isinstance(outgoing, str) and await self._segment(conversation_id, otid, pages=1):
            return _run_in_history(talk, otid)
        return None

    async def cancel_run(self, run: Run) -> None:
        talk = await self._talk(run.conversation_id or f"{DEFAULT_PREFIX}{run.agent_id}")
        await self._link.ask("abort_message", check="call wait_for_reply to see", runtime=talk.runtime)
        # An abort also parks what other clients have queued.
        await self._link.ask("resume_queue", runtime=talk.runtime)

    @asynccontextmanager
    async def resume(self, run: Run, after: int) -> AsyncGenerator[AsyncIterator[Frame]]:
        talk = await self._talk(run.conversation_id or f"{DEFAULT_PREFIX}{run.agent_id}")
        leg = talk.leg(run.id)
        if leg is None:
            raise errors.RunNotFound(talk.conversation_id, run.id)
        yield leg.follow(after)

    async def _say(self, talk: Talk, text: str, otid: str) -> Leg:
        if talk.requests:
            raise errors.ApprovalPending(talk.conversation_id)
        if talk.active is not None and talk.active.message_id != otid:
            raise errors.ConversationBusy(talk.conversation_id, talk.active.id)
        leg = talk.expect(otid)
        answer = await self._input(talk, leg, message_fields(talk.runtime, text, otid, self._tools))
        talk.accepted(leg, text, is_started=answer.get("disposition") == "started")
        return leg

    async def _decide(self, talk: Talk, decisions: tuple[Decision, ...], otid: str) -> Leg:
        if not talk.requests:
            raise errors.ApprovalsMismatch(talk.conversation_id, ["the question was answered meanwhile"], [])
        leg, answers = talk.decide(otid, decisions)
        for answer in answers:
            await self._input(talk, leg, answer)
        return leg

    async def _input(self, talk: Talk, leg: Leg, fields: Json) -> Json:
        try:
            answer = await self._link.ask("input", check="call get_history to see whether it is there", **fields)
        except errors.OutcomeUnknown:
            if leg.has_begun:
                return {}
            raise
        if answer.get("accepted") is not True:
            talk.forget(leg)
            raise errors.LettaUnavailable(self._link.address, "did not take it")
        return answer

    async def _talk(self, conversation_id: str) -> Talk:
        async def find_runtime() -> Json:
            conversation = await self._conversation_json(conversation_id)
            return runtime_of(conversation_id, str(conversation.get("agent_id")))

        return await self._link.talk(conversation_id, find_runtime)

    async def _segment(self, conversation_id: str, message_id: str, *, pages: int = PAGES_LOOKED_THROUGH) -> list[Json]:
        """What stands in the history from a message of the person's on, up to the next one; nothing if it isn't there.

        A message that the server put to the model anew after a failure stands there again, under an id of its own.
        """
        newer: list[Json] = []
        before: str | None = None
        for _ in range(pages):
            page = await self.messages(conversation_id, order="desc", before=before, limit=PAGE)
            for message in page:
                if message.get("message_type") == "user_message" and _message_id(message) == message_id:
                    return [message, *_answers_to(message, newer)]
                newer.insert(0, message)
            if len(page) < PAGE:
                break
            before = text_or_none(page[-1].get("id"))
        return []

    async def _agent_json(self, agent_id: str, missing: errors.LettaFailure) -> Json:
        return first_object((await self._link.ask("agent_retrieve", missing, agent_id=agent_id)).get("agent"))

    async def _conversation_json(self, conversation_id: str) -> Json:
        missing = errors.ConversationNotFound(conversation_id)
        if conversation_id.startswith(DEFAULT_PREFIX):
            agent = await self._agent_json(conversation_id.removeprefix(DEFAULT_PREFIX), missing)
            # It lists no messages there, however many there are.
            return {**default_conversation_json(agent), "in_context_message_ids": None}
        answer = await self._link.ask("conversation_retrieve", missing, conversation_id=conversation_id)
        return first_object(answer.get("conversation"))


def _message_id(message: Json) -> str:
    return text_or_none(message.get("otid")) or str(message.get("id"))


def _answers_to(message: Json, newer: Sequence[Json]) -> list[Json]:
    said = content_text(message.get("content"))
    answers: list[Json] = []
    for entry in newer:
        if entry.get("message_type") != "user_message":
            answers.append(entry)
        elif answers or content_text(entry.get("content")) != said:
            break
    return answers


def _run_of(talk: Talk, leg: Leg) -> Run:
    if not leg.is_over:
        status = "running"
    else:
        status = {"cancelled": "cancelled"}.get(leg.stop_reason or "", "failed" if leg.error_type else "completed")
    return _run(talk, leg.id, status, leg.stop_reason, leg.error_type, background=leg.is_ours)


def _run_in_history(talk: Talk, message_id: str) -> Run:
    """A run that nothing but the history tells of, unless a leg of it is remembered."""
    if (leg := talk.newest_leg(message_id)) is not None and not leg.is_cut:
        return _run_of(talk, leg)
    return _run(talk, message_id, "completed", "requires_approval" if talk.requests else NOT_RECORDED, None)


def _run(
    talk: Talk, run_id: str, status: str, stop_reason: str | None, error_type: str | None, *, background: bool = False
) -> Run:
    is_default = talk.conversation_id.startswith(DEFAULT_PREFIX)
    return Run(
        id=run_id,
        agent_id=str(talk.runtime.get("agent_id")),
        conversation_id=None if is_default else talk.conversation_id,
        status=status,
        stop_reason=stop_reason,
        error_type=error_type,
        background=background,
    )
