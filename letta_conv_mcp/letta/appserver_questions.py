"""What an App Server asks a person in a conversation, and what was decided. No I/O.

It asks about the calls of a step one after the other, each when the one before is answered; before that it announces
all calls, and tells which of them need a person.
"""

from collections.abc import Sequence

from letta_conv_mcp.letta.appserver_json import answer_fields
from letta_conv_mcp.letta.content import Json, arguments_text, first_object, objects, shortened
from letta_conv_mcp.letta.events import CalledTool
from letta_conv_mcp.letta.outgoing import Decision
from letta_conv_mcp.letta.records import ARGUMENTS_CHARS
from letta_conv_mcp.views import Approval


class Questions:
    """The questions of one conversation.

    Args:
        runtime: the server's name for it.

    Attributes:
        needed: the calls of the present step that need a person, where that was heard.
    """

    def __init__(self, runtime: Json) -> None:
        self._runtime = runtime
        self.needed: list[str] = []
        self._open: dict[str, str] = {}
        self._answered: set[str] = set()
        self._calls: dict[str, Approval] = {}
        self._decided: dict[str, Decision] = {}

    @property
    def are_open(self) -> bool:
        """Whether a person is asked something."""
        return bool(self._open)

    @property
    def approvals(self) -> list[Approval]:
        """The tool calls that wait for a person, as far as they were told here."""
        wanted = dict.fromkeys([*self.needed, *self._open]) if self._open else ()
        return [self._calls[call_id] for call_id in wanted if call_id in self._calls]

    def announce(self, call: CalledTool, date: str | None) -> None:
        """A call was made; whether a person is asked about it is told later."""
        # A question's id is made of its call's, and models number their calls anew: this one is another question.
        self._answered.discard(call.tool_call_id)
        self._calls[call.tool_call_id] = Approval(
            tool_call_id=call.tool_call_id,
            tool=call.name,
            arguments=shortened(call.arguments, ARGUMENTS_CHARS),
            requested_at=date,
        )

    def tool_of(self, call_id: str) -> str:
        """The tool that a call is of; nothing where it wasn't announced."""
        return self._calls[call_id].tool if call_id in self._calls else ""

    def ask(self, request_id: str, request: Json) -> Json | None:
        """A question is put. Returns the answer to pass on, where it was decided before."""
        call_id = _call_id(request_id, request)
        self._note(call_id, request_id, request)
        return self._answer(call_id)

    def list_open(self, pending: object) -> None:
        """The server lists the open questions, perhaps as they were a moment ago."""
        for question in objects(pending):
            request_id, request = str(question.get("request_id")), first_object(question.get("request"))
            call_id = _call_id(request_id, request)
            # What is decided is answered when the question itself is put.
            if call_id not in self._decided:
                self._note(call_id, request_id, request)

    def decide(self, decisions: Sequence[Decision]) -> list[Json]:
        """A person has decided. Returns the answers to pass on now; others follow as they are asked for."""
        self._decided = {decision.tool_call_id: decision for decision in decisions}
        return [answer for call_id in list(self._open) if (answer := self._answer(call_id))]

    def undecide(self) -> None:
        """What was decided did not reach the server; nothing is decided or answered any more."""
        self._decided.clear()
        self._answered.clear()

    def close(self) -> None:
        """All that was open is answered, by whomever."""
        self._answered.update(self._open)
        self._open.clear()

    def end(self) -> None:
        """The turn is over, and with it all questions and decisions."""
        self._open.clear()
        self._answered.clear()
        self._decided.clear()
        self._calls.clear()
        self.needed = []

    def cut(self) -> None:
        """The connections were lost; what is open is told anew."""
        self._open.clear()
        self._decided.clear()

    def _note(self, call_id: str, request_id: str, request: Json) -> None:
        if call_id in self._answered:
            # The other connection tells of it late.
            return
        self._open[call_id] = request_id
        if call_id not in self._calls:
            arguments = arguments_text(request.get("input"))
            self.announce(CalledTool(call_id, str(request.get("tool_name") or ""), arguments), None)

    def _answer(self, call_id: str) -> Json | None:
        if call_id not in self._decided or call_id not in self._open:
            return None
        request_id = self._open.pop(call_id)
        self._answered.add(call_id)
        # A decision is for one question.
        return answer_fields(self._runtime, request_id, self._decided.pop(call_id))


def _call_id(request_id: str, request: Json) -> str:
    return str(request.get("tool_call_id") or request_id)
