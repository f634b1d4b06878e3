"""Tasks of saying something to the right agent, in the right place, once."""

import re

from evals.checks import (
    answers,
    answers_nothing_of,
    both,
    called,
    either,
    made,
    never,
    nothing_sent,
    sent_once,
    sent_once_in_new,
    use,
)
from evals.task import Task, do, taken, tell
from evals.world import Agent, Talk, World, replies, spoken

SENDS = frozenset({"send_message"})
OPENS = frozenset({"create_conversation", "open_conversation", "send_message", "update_conversation"})
TODAY = "today|work|plan|up to|doing|do you"
VERBATIM = 'Ship it: 10% off, code "SPRING-1" (from 06:00)!'
NOBODY = r"\bno\b|not? (find|found)|n.t (find|exist|see|have)|not exist|doesn.t exist|there is none|isn.t"
WHICH = r"\bwhich\b|two agents|several|more than one|\bboth\b.*named|\?"

ADA = Agent("ada", replies((TODAY, spoken("The quarterly accounts."))), name="Ada")
BO = Agent(
    "bo",
    replies(
        ("plant|may", spoken("Beans and courgettes, after the last frost.")),
        (TODAY, spoken("Pruning the roses.")),
        otherwise="All right.",
    ),
    name="Bo",
    description="Gardening",
)
TEAM = World(
    (ADA, BO),
    (
        Talk("standup-ada", "ada", "Standup", ("Morning!", "Morning.")),
        Talk("standup-bo", "bo", "Standup", ("Morning!", "Hello.")),
        Talk("budget-ada", "ada", "Budget", ("Draft is up.", "Seen.")),
        Talk("budget-bo", "bo", "Budget", ("Seeds cost 40.", "Noted.")),
        Talk("notes", "ada", "Notes", ("For later.", "Yes.")),
    ),
)
TWO_ADAS = World(
    (
        Agent("finance", replies(otherwise="I only know finance."), name="Ada", description="Finance and invoices"),
        Agent("garden", replies(otherwise="Prune them in March."), name="Ada", description="Gardens and roses"),
    ),
)
TWINS = World(
    (
        Agent("first", replies(otherwise="Hello."), name="Ada", description="Assistant"),
        Agent("second", replies(otherwise="Hello."), name="Ada", description="Assistant"),
    ),
)
ASK_MAY = "What should I plant in May?"
FINAL = "The figures are final."

TASKS = (
    Task(
        "new-conversation",
        (f'Open a new conversation with Bo, titled Garden, and ask: "{ASK_MAY}" Then tell me the answer.',),
        TEAM,
        {
            "opens one with that title": made(1, agent="bo", title=re.compile("garden", re.IGNORECASE)),
            "asks once, there": both(sent_once_in_new("May"), nothing_sent("standup-bo", "budget-bo", "bo.own")),
            "tells the answer": answers("beans"),
        },
        OPENS,
        good=(
            (
                do("create_conversation", agent_id="Bo", summary="Garden"),
                do("send_message", conversation_id=taken("id"), message=ASK_MAY),
                tell("Bo would plant beans and courgettes."),
            ),
        ),
        bad={
            "opens one with that title": (
                do("create_conversation", agent_id="Bo"),
                do("send_message", conversation_id=taken("id"), message=ASK_MAY),
                tell("Beans."),
            ),
            "asks once, there": (
                do("create_conversation", agent_id="Bo", summary="Garden"),
                do("send_message", conversation_id="@standup-bo", message=ASK_MAY),
                tell("Beans."),
            ),
            "tells the answer": (
                do("create_conversation", agent_id="Bo", summary="Garden"),
                do("send_message", conversation_id=taken("id"), message=ASK_MAY),
                tell("I have asked."),
            ),
        },
    ),
    Task(
        "ambiguous-name",
        ("Start a new conversation with Ada, the one for gardens, and ask her when to prune roses.",),
        TWO_ADAS,
        {
            "talks to the right one": made(1, agent="garden"),
            "asks once": sent_once_in_new("rose"),
            "tells the answer": answers("March"),
        },
        OPENS,
        good=(
            (
                do("create_conversation", agent_id="Ada", summary="Roses"),
                do("list_agents", query="Ada"),
                do("create_conversation", agent_id="@garden", summary="Roses"),
                do("send_message", conversation_id=taken("id"), message="When do I prune roses?"),
                tell("In March."),
            ),
        ),
        bad={
            "talks to the right one": (
                do("create_conversation", agent_id="@finance", summary="Roses"),
                do("send_message", conversation_id=taken("id"), message="When do I prune roses?"),
                tell("She doesn't know. In March?"),
            ),
            "asks once": (do("create_conversation", agent_id="@garden"), tell("In March.")),
            "tells the answer": (
                do("create_conversation", agent_id="@garden"),
                do("send_message", conversation_id=taken("id"), message="When do I prune roses?"),
                tell("Asked."),
            ),
        },
    ),
    Task(
        "ambiguous-beyond-telling",
        ("Start a new conversation with Ada and greet her.",),
        TWINS,
        {
            "looks who is meant": called(use("list_agents")),
            "opens none on a guess": made(0),
            "asks which one": answers(WHICH),
        },
        good=(
            (
                do("create_conversation", agent_id="Ada"),
                do("list_agents"),
                tell("There are two agents named Ada. Which one do you mean?"),
            ),
        ),
        bad={
            "looks who is meant": (tell("Which Ada?"),),
            "opens none on a guess": (
                do("list_agents"),
                do("create_conversation", agent_id="@first"),
                tell("I took the first. Which one did you mean?"),
            ),
            "asks which one": (do("list_agents"), tell("I could not do that.")),
        },
    ),
    Task(
        "unknown-agent",
        ("Ask Grace how far the audit is.",),
        TEAM,
        {
            "looks for her": called(either(use("list_agents"), use("list_conversations"))),
            "tells that there is no such agent": answers("Grace", NOBODY),
            "asks nobody else": nothing_sent(),
            "makes no agent": never(use("create_agent")),
        },
        good=(
            (
                do("create_conversation", agent_id="Grace"),
                do("list_agents"),
                tell("There is no agent named Grace; there are Ada and Bo."),
            ),
        ),
        bad={
            "looks for her": (tell("No agent is named Grace."),),
            "tells that there is no such agent": (do("list_agents"), tell("Grace says the audit is on track.")),
            "asks nobody else": (
                do("list_agents"),
                do("send_message", conversation_id="@standup-ada", message="How far is the audit?"),
                tell("There is no Grace, so I asked Ada."),
            ),
            "makes no agent": (
                do("list_agents"),
                do("create_agent", name="Grace", model="openai-proxy/scripted"),
                tell("There was no Grace, so I made her."),
            ),
        },
    ),
    Task(
        "same-title",
        (f'In the Budget conversation with Bo, say exactly: "{FINAL}"',),
        TEAM,
        {
            "says it to Bo, once": sent_once("budget-bo", f"^{re.escape(FINAL)}$"),
            "says nothing to Ada": nothing_sent("budget-ada", "standup-ada", "notes", "ada.own"),
        },
        SENDS,
        good=(
            (
                do("list_conversations", search="budget", agent_id="Bo"),
                do("send_message", conversation_id="@budget-bo", message=FINAL),
                tell("Said."),
            ),
        ),
        bad={
            "says it to Bo, once": (
                do("send_message", conversation_id="@budget-bo", message="Bo, the figures are final now."),
                tell("Said."),
            ),
            "says nothing to Ada": (
                do("send_message", conversation_id="@budget-ada", message=FINAL),
                do("send_message", conversation_id="@budget-bo", message=FINAL),
                tell("Said."),
            ),
        },
    ),
    Task(
        "word-for-word",
        (f"Send this to Ada in Notes, word for word, without quotation marks around it: {VERBATIM}",),
        TEAM,
        {
            "sends it word for word, once": sent_once("notes", f"^{re.escape(VERBATIM)}$"),
            "says nothing elsewhere": nothing_sent("standup-ada", "budget-ada", "ada.own", "budget-bo", "standup-bo"),
        },
        SENDS,
        good=(
            (
                do("list_conversations", search="notes"),
                do("send_message", conversation_id="@notes", message=VERBATIM),
                tell("Sent."),
            ),
        ),
        bad={
            "sends it word for word, once": (
                do("send_message", conversation_id="@notes", message=VERBATIM.replace('"', "'")),
                tell("Sent."),
            ),
            "says nothing elsewhere": (
                do("send_message", conversation_id="@ada.own", message=VERBATIM),
                do("send_message", conversation_id="@notes", message=VERBATIM),
                tell("Sent."),
            ),
        },
    ),
    Task(
        "ask-two",
        ("Ask Ada and Bo, each in their Standup conversation, what they do today, and sum up both for me.",),
        TEAM,
        {
            "asks Ada once": sent_once("standup-ada"),
            "asks Bo once": sent_once("standup-bo"),
            "sums up both": answers("accounts", "rose"),
        },
        SENDS | {"compare_replies"},
        good=(
            (
                do("list_conversations", search="standup"),
                do("send_message", conversation_id="@standup-ada", message="What do you do today?"),
                do("send_message", conversation_id="@standup-bo", message="What do you do today?"),
                tell("Ada does the accounts, Bo prunes the roses."),
            ),
        ),
        bad={
            "asks Ada once": (
                do("send_message", conversation_id="@standup-bo", message="What do you do today?"),
                tell("Bo prunes the roses, and Ada does the accounts as always."),
            ),
            "asks Bo once": (
                do("send_message", conversation_id="@standup-ada", message="What do you do today?"),
                do("send_message", conversation_id="@standup-bo", message="What do you do today?"),
                do("send_message", conversation_id="@standup-bo", message="And Ada?"),
                tell("Accounts and roses."),
            ),
            "sums up both": (
                do("send_message", conversation_id="@standup-ada", message="What do you do today?"),
                do("send_message", conversation_id="@standup-bo", message="What do you do today?"),
                tell("Both are busy."),
            ),
        },
    ),
    Task(
        "draft-only",
        ("Draft an answer to Ada's last message in the Budget conversation for me. Don't send anything yet.",),
        TEAM,
        {
            "reads what it answers": called(use("get_history", conversation_id="@budget-ada")),
            "sends nothing": nothing_sent(),
            "shows a draft": both(answers(r"\w+\W+\w+\W+\w+"), answers_nothing_of(r"\b(I have|I've|I) sent\b")),
        },
        good=(
            (
                do("list_conversations", agent_id="Ada"),
                do("get_history", conversation_id="@budget-ada"),
                tell("A draft: “Thank you for looking at it so soon.”"),
            ),
        ),
        bad={
            "reads what it answers": (tell("A draft: “Thank you, Ada.”"),),
            "sends nothing": (
                do("get_history", conversation_id="@budget-ada"),
                do("send_message", conversation_id="@budget-ada", message="Thank you, Ada."),
                tell("A draft: “Thank you, Ada.”"),
            ),
            "shows a draft": (do("get_history", conversation_id="@budget-ada"), tell("I have sent a friendly answer.")),
        },
    ),
)
