"""The little language of the scripted model: what was said to it decides what it does. Pure; no clock, no network.

A message without a directive is echoed (`echo: <text>`). A question about what was said (`What did I tell you?`,
`What is my name?`) is answered from the earlier messages of the same prompt. Directives stand anywhere in the last
user message; what is left of it is the text.

    #tool NAME {json}   call a tool; once its result is there, answer "tool said: <result>".
                        Several: one after the other, each after the result of the one before
    #two NAME {json}    two calls of NAME in one turn
    #and NAME {json}    a call in the same turn as the call before it
    #loop NAME {json}   call NAME at every step, for ever
    #numbered NAME {json}  a tool call named call_1 whenever it is made, as some servers of models number theirs
    #badargs NAME       a tool call whose arguments are broken JSON
    #say WORDS#         with a tool call: words spoken before it
    #answer WORDS#      answer with these words, after a tool's result too
    #reason WORDS#      think these words first
    #recall             the texts of all earlier user messages in the prompt
    #long N             an answer of N words: w0 w1 …
    #slow S             S seconds before anything (not again after a tool's result)
    #drip S             S seconds before every word
    #cut N              after N pieces the connection drops
    #errchunk N         after N pieces the stream carries an error
    #http CODE          an HTTP error instead of an answer
    #once CODE          the same, but only the first time this message is seen
    #garbage            a body that isn't JSON
    #empty              an answer without words
    #length             the answer ends for want of tokens (`finish_reason: length`)

A piece is a word or a tool call. An approval needs no directive: call a tool that requires one, then answer it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from tests.stack.acts import Act, Break, Call, Cut, Finish, Garble, Refuse, Say, Think, Wait


@dataclass(frozen=True)
class Prompt:
    """What the model is asked: the last user message, what followed it, and what came before."""

    text: str
    results: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    is_repeat: bool = False


NAMED_TOOL = r"\s+(?P<tool>[^\s#{]+)"
WORDS = r"\s+(?P<words>[^#]*)#"
SECONDS = r"\s+(?P<number>\d+(?:\.\d+)?)"
COUNT = r"\s+(?P<number>\d+)"
GRAMMAR: Mapping[str, str] = {
    **dict.fromkeys(("tool", "two", "and", "loop", "numbered", "badargs"), NAMED_TOOL),
    **dict.fromkeys(("say", "answer", "reason"), WORDS),
    **dict.fromkeys(("slow", "drip"), SECONDS),
    **dict.fromkeys(("long", "cut", "errchunk", "http", "once"), COUNT),
    **dict.fromkeys(("recall", "garbage", "empty", "length"), ""),
}
DIRECTIVES = {name: re.compile(rf"#{name}\b{argument}") for name, argument in GRAMMAR.items()}
# "What did I tell you?", "What have I said so far?", "Do you remember …?", "Who am I?"
RECALL = re.compile(
    r"\b(what (did|have) I (just )?(say|said|tell|told)|do you remember|who am I)\b.*\?", re.IGNORECASE | re.DOTALL
)
# "What is my name?", "What's my favourite colour?"
RECALL_OF = re.compile(r"\bwhat(?:'s| is| was| are| were) my (?P<topic>[^?]+?)\s*\?", re.IGNORECASE)


@dataclass
class Script:
    """A message taken apart into its directives and the text that is left."""

    text: str = ""
    numbers: dict[str, float] = field(default_factory=dict[str, float])
    words: dict[str, str] = field(default_factory=dict[str, str])
    calls: list[tuple[Call, ...]] = field(default_factory=list[tuple[Call, ...]])
    loop: Call | None = None
    flags: set[str] = field(default_factory=set[str])


def acts_for(prompt: Prompt) -> tuple[Act, ...]:
    """What the model does when it is given this prompt."""
    script = script_from_text(prompt.text)
    wait = () if prompt.results or "slow" not in script.numbers else (Wait(script.numbers["slow"]),)
    refusal = script.numbers.get("http") or (None if prompt.is_repeat else script.numbers.get("once"))
    if refusal:
        return (*wait, Refuse(int(refusal)))
    if "garbage" in script.flags:
        return (*wait, Garble())
    return (*wait, *_ended(script, list(_pieces(script, prompt))))


def prompt_from_messages(messages: Sequence[Mapping[str, object]], *, is_repeat: bool = False) -> Prompt:
    """The prompt in the `messages` of an OpenAI request."""
    said = [(at, _user_text(message)) for at, message in enumerate(messages) if message.get("role") == "user"]
    spoken = [(at, text) for at, text in said if text is not None]
    if not spoken:
        return Prompt("")
    *earlier, (last, text) = spoken
    results = tuple(_content_text(m.get("content")) for m in messages[last + 1 :] if m.get("role") == "tool")
    return Prompt(text, results, tuple(text for _, text in earlier), is_repeat)


def script_from_text(text: str) -> Script:
    """The directives of a message, and what is left of it."""
    script, rest, at = Script(), "", 0
    while at < len(text):
        end = _read_directive(script, text, at) if text[at] == "#" else at
        if end == at:
            rest += text[at]
            end += 1
        at = end
    script.text = " ".join(rest.split()) if rest != text else text
    return script


def _read_directive(script: Script, text: str, at: int) -> int:
    """Notes the directive that begins here; where it ends, or `at` when there is none."""
    tried = ((name, pattern.match(text, at)) for name, pattern in DIRECTIVES.items())
    name, found = next(((name, match) for name, match in tried if match), ("", None))
    if not found:
        return at
    arguments, end = cast("dict[str, str]", found.groupdict()), found.end()
    if name == "badargs":
        script.calls.append((Call(arguments["tool"], '{"broken": '),))
    elif "tool" in arguments:
        given, end = _json_object(text, end)
        call = Call(arguments["tool"], given, "call_1" if name == "numbered" else None)
        if name == "loop":
            script.loop = call
        elif name == "and":
            *before, last = script.calls or [()]
            script.calls = [*before, (*last, call)]
        else:
            script.calls.append((call, call) if name == "two" else (call,))
    elif "number" in arguments:
        script.numbers[name] = float(arguments["number"])
    elif "words" in arguments:
        script.words[name] = arguments["words"]
    else:
        script.flags.add(name)
    return end


def _json_object(text: str, at: int) -> tuple[str, int]:
    """The JSON object that follows, as text, and where it ends; an empty one when none follows."""
    start = at + len(text[at:]) - len(text[at:].lstrip())
    if not text.startswith("{", start):
        return "{}", at
    try:
        end = cast("tuple[object, int]", json.JSONDecoder().raw_decode(text, start))[1]
    except ValueError:
        return "{}", at
    return text[start:end], end


def _pieces(script: Script, prompt: Prompt) -> Iterator[Think | Say | Call]:
    for word in _split(script.words.get("reason", "")):
        yield Think(word)
    calls = _calls_due(script, len(prompt.results))
    for word in _split(script.words.get("say", "") if calls else _answer(script, prompt)):
        yield Say(word)
    yield from calls


def _calls_due(script: Script, results: int) -> tuple[Call, ...]:
    """The calls of this step: Letta may answer two calls of one turn with a single result."""
    if script.loop:
        return (script.loop,)
    return script.calls[results] if results < len(script.calls) else ()


def _answer(script: Script, prompt: Prompt) -> str:
    if "answer" in script.words:
        return script.words["answer"].strip()
    if prompt.results:
        return "tool said: " + " | ".join(prompt.results)
    if "empty" in script.flags:
        return ""
    if "long" in script.numbers:
        return " ".join(f"w{n}" for n in range(int(script.numbers["long"])))
    if topic := RECALL_OF.search(script.text):
        return _recalled(prompt.earlier, topic["topic"])
    if "recall" in script.flags or RECALL.search(script.text):
        return _recalled(prompt.earlier)
    return f"echo: {script.text}"


def _recalled(earlier: Sequence[str], topic: str = "") -> str:
    texts = [script_from_text(text).text for text in earlier]
    told = [text for text in texts if text and not _asks_back(text) and topic.lower() in text.lower()]
    if told:
        return "You said: " + " / ".join(told)
    return f"You have not told me your {topic}." if topic else "You have not told me anything yet."


def _asks_back(text: str) -> bool:
    return bool(RECALL.search(text) or RECALL_OF.search(text))


def _ended(script: Script, pieces: Sequence[Think | Say | Call]) -> Iterator[Act]:
    """The pieces with their delays and their end, which may come before the last piece."""
    broken_after = [
        (int(script.numbers[name]), act)
        for name, act in (("cut", Cut()), ("errchunk", Break()))
        if name in script.numbers
    ]
    limit, early_end = min(broken_after, key=lambda end: end[0], default=(len(pieces), None))
    for piece in pieces[:limit]:
        if "drip" in script.numbers:
            yield Wait(script.numbers["drip"])
        yield piece
    if early_end:
        yield early_end
    elif "length" in script.flags:
        yield Finish("length")
    else:
        yield Finish("tool_calls" if any(isinstance(piece, Call) for piece in pieces) else "stop")


def _split(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def _user_text(message: Mapping[str, object]) -> str | None:
    """What a person said, or None for what Letta itself puts in as a user message (alerts, log-ins)."""
    text = _content_text(_spoken_parts(message.get("content")))
    try:
        wrapped = cast("object", json.loads(text))
    except ValueError:
        return None if text.lstrip().startswith(("<system-alert>", "<system-reminder>")) else text
    if not isinstance(wrapped, dict):
        return text
    fields = cast("dict[str, object]", wrapped)
    if "message" not in fields:
        return text
    return str(fields["message"]) if fields.get("type", "user_message") == "user_message" else None


def _spoken_parts(content: object) -> object:
    """Without the reminders that an App Server puts into the person's own message, each a part of its own."""
    if not isinstance(content, list):
        return content
    return [part for part in cast("list[object]", content) if not _content_text([part]).startswith("<system-reminder>")]


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [cast("dict[str, object]", part) for part in cast("list[object]", content) if isinstance(part, dict)]
    return " ".join(str(part["text"]) for part in parts if "text" in part)
