"""The conversations that are followed over the connections to one App Server, kept up as long as something goes on.

A turn is lost when the last connection that has started its conversation drops, and the conversation then takes no
message until the server is restarted. So both connections are in every conversation that is spoken in, and one that
drops is replaced. Where both are lost, a server of our own is started anew.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from letta_conv_mcp import errors
from letta_conv_mcp.letta.appserver_connections import Connections
from letta_conv_mcp.letta.appserver_json import DEFAULT_THREAD, start_fields
from letta_conv_mcp.letta.appserver_legs import Leg
from letta_conv_mcp.letta.appserver_server import Endpoint, Server
from letta_conv_mcp.letta.appserver_socket import Socket, Unanswered
from letta_conv_mcp.letta.appserver_talks import Talk
from letta_conv_mcp.letta.content import Json, first_object
from letta_conv_mcp.letta.records import DEFAULT_PREFIX

_logger = logging.getLogger(__name__)

END_SECONDS = 2.0
"""How long a turn's end may take after the server said that it isn't at work any more."""
KEPT_TALKS = 100
MEND_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0)


class Link:
    """The conversations on one server.

    Args:
        server: the server.
        group: owns the tasks that listen.
        on_tool_call: answers a call of a tool of ours.
    """

    def __init__(
        self,
        server: Server,
        group: TaskGroup,
        on_tool_call: Callable[[Socket, Json], Coroutine[None, None, None]],
    ) -> None:
        self.server = server
        self._group = group
        self._on_tool_call = on_tool_call
        self._connections = Connections(server, group, self._hear, self._lose)
        self._talks: dict[str, Talk] = {}
        self._watching: dict[Socket, set[str]] = {}
        self._started: dict[Socket, set[str]] = {}

    async def ask(
        self,
        kind: str,
        missing: errors.LettaFailure | None = None,
        *,
        check: str | None = None,
        seconds: float | None = None,
        **fields: object,
    ) -> Json:
        """What a request is answered with.

        Args:
            kind: the frame's type.
            missing: what to raise where what it names isn't there.
            check: what to look at before repeating a request that changes something; None for one that only reads.
            seconds: how long to wait; None for the usual time.
            fields: the frame's other fields.

        Raises:
            LettaUnavailable: no connection can be had, or no answer, or the server can't do it.
            OutcomeUnknown: a request that changes something got no answer.
        """
        try:
            answer = await self._connections.ask(kind, fields, changes=check is not None, seconds=seconds)
        except Unanswered as failure:
            if check is not None:
                raise errors.OutcomeUnknown(self.server.name, failure.problem, check, is_repeatable=True) from None
            raise errors.LettaUnavailable(self.server.name, failure.problem) from None
        if answer.get("success") is False:
            # The only sign of which trouble it is; the text itself stays here.
            if missing is not None and "not found" in str(answer.get("error")):
                raise missing
            raise errors.LettaUnavailable(self.server.name, "could not do what was asked")
        return answer

    async def talk(self, conversation_id: str, find_runtime: Callable[[], Awaitable[Json]]) -> Talk:
        """The conversation as the connections tell of it, watched from now on. Watching changes nothing.

        Args:
            conversation_id: our id for it.
            find_runtime: asks for the server's name for it.
        """
        if conversation_id not in self._talks:
            runtime = await find_runtime()
            self._talks.setdefault(conversation_id, Talk(conversation_id, runtime))
        # The latest stand last: what was asked for just now is not idle.
        talk = self._talks[conversation_id] = self._talks.pop(conversation_id)
        self._forget_idle()
        fields = {"runtime": talk.runtime, "recover_approvals": False, "force_device_status": True}
        await self._enter(talk, "sync", fields, self._watching)
        return talk

    async def start(self, talk: Talk) -> None:
        """Make sure that the conversation can be spoken in, and that a dropped connection costs it nothing."""
        if talk.mode not in (None, "strict"):
            # Another client has changed it, and tools would run unasked.
            for started in self._started.values():
                started.discard(talk.conversation_id)
        await self._enter(talk, "runtime_start", start_fields(talk.runtime), self._started)

    async def close(self) -> None:
        """Let go of the connections. The server then cancels what goes on over them."""
        await self._connections.close()

    async def _enter(self, talk: Talk, kind: str, fields: Json, entered: dict[Socket, set[str]]) -> None:
        """Enter a conversation on every connection; one that is lost meanwhile is no failure while another is left."""
        problem, is_in = "dropped the connection", False
        for socket in await self._connections.opened():
            if talk.conversation_id not in entered.get(socket, ()):
                try:
                    answer = await self._connections.ask_over(socket, kind, fields)
                except Unanswered as failure:
                    problem = failure.problem
                    continue
                self._check_entry(talk, answer)
            if socket.is_open:
                entered.setdefault(socket, set()).add(talk.conversation_id)
                is_in = True
        if not is_in:
            raise errors.LettaUnavailable(self.server.name, problem)

    def _check_entry(self, talk: Talk, answer: Json) -> None:
        if answer.get("success") is False:
            if "not found" in str(answer.get("error")):
                raise errors.ConversationNotFound(talk.conversation_id)
            raise errors.LettaUnavailable(self.server.name, "could not open the conversation")

    def _forget_idle(self) -> None:
        """Remember only so many conversations in which nothing goes on: those that were asked for last."""
        idle = [talk for talk in self._talks.values() if not talk.is_live]
        for talk in idle[: max(0, len(idle) - KEPT_TALKS)]:
            del self._talks[talk.conversation_id]
            for entered in (*self._watching.values(), *self._started.values()):
                entered.discard(talk.conversation_id)

    def _lose(self, socket: Socket) -> None:
        self._started.pop(socket, None)
        watched = self._watching.pop(socket, set())
        # Of a conversation that no other connection watches, nothing more will be heard.
        unheard = watched.difference(*self._watching.values())
        cut = [talk for talk in self._talks.values() if talk.conversation_id in unheard]
        lost = [talk for talk in cut if talk.is_live]
        for talk in cut:
            talk.cut()
        if lost or any(talk.is_live for talk in self._talks.values()):
            self._group.start_soon(self._guarded, self._mend, socket.endpoint, lost)

    async def _mend(self, endpoint: Endpoint, lost: list[Talk]) -> None:
        """Get a lost connection back while something goes on over the other one, or went on over this one."""
        if lost:
            # A turn was lost there, and its conversation takes no message until the server is started anew.
            await self.server.end(endpoint)
        for pause in MEND_PAUSES:
            await anyio.sleep(pause)
            with suppress(errors.LettaFailure):
                # One that was lost may be done again, and ask again, once its conversation is started.
                for talk in [talk for talk in self._talks.values() if talk.is_live or talk in lost]:
                    await self.start(talk)
                if self._connections.are_all_there:
                    return

    def _hear(self, socket: Socket, event: Json) -> None:
        if event.get("type") == "external_tool_call_request":
            self._group.start_soon(self._guarded, self._on_tool_call, socket, event)
            return
        talk = self._talks.get(_conversation_id(first_object(event.get("runtime"))))
        if talk is None:
            return
        try:
            answers = talk.hear(event)
        except Exception:
            # A fault of ours must cost one frame: both connections tell the same, and both would be lost.
            _logger.exception("A frame of an App Server's could not be taken in.")
            return
        for answer in answers:
            self._group.start_soon(self._guarded, self._pass_on, talk, answer)
        if event.get("type") == "update_device_status":
            self._consider_status(talk)

    def _consider_status(self, talk: Talk) -> None:
        leg = talk.active
        if leg is None or not leg.is_ours:
            return
        if talk.mode not in (None, "strict"):
            self._group.start_soon(self._guarded, self.start, talk)
        if not talk.is_processing and leg.has_begun:
            self._group.start_soon(self._guarded, self._let_go, talk, leg)

    async def _let_go(self, talk: Talk, leg: Leg) -> None:
        """A turn that the server is no more at work on ends soon; where its end never comes, let the history tell."""
        await anyio.sleep(END_SECONDS)
        if talk.active is leg and not talk.is_processing:
            leg.cut()

    async def _guarded(self, work: Callable[..., Awaitable[None]], *about: object) -> None:
        try:
            await work(*about)
        except errors.LettaFailure as failure:
            _logger.warning("An App Server could not be told something (%s).", type(failure).__name__)
        except Exception:
            # Raised here it would end the server, with every turn.
            _logger.exception("Something that an App Server asked for could not be done.")

    async def _pass_on(self, talk: Talk, decision: Json) -> None:
        """Pass on what a person has decided before the server asked for it."""
        try:
            answer = await self._connections.ask("input", decision, changes=True)
            is_taken = answer.get("accepted") is True
        except (Unanswered, errors.LettaFailure):
            is_taken = False
        if not is_taken:
            _logger.warning("A decision in %s did not reach the App Server.", talk.conversation_id)
            self.ask_anew(talk)

    def ask_anew(self, talk: Talk) -> None:
        """A decision did not reach the server: what it still asks for is learnt when the conversation is next seen."""
        talk.undecide()
        for watched in self._watching.values():
            watched.discard(talk.conversation_id)


def _conversation_id(runtime: Json) -> str:
    conversation_id = str(runtime.get("conversation_id"))
    return f"{DEFAULT_PREFIX}{runtime.get('agent_id')}" if conversation_id == DEFAULT_THREAD else conversation_id
