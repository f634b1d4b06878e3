"""Tasks in which a reply breaks off, or fails."""

import re

from evals.checks import (
    FAILED,
    UNFINISHED,
    answers,
    any_of,
    at_least,
    at_most,
    both,
    called,
    either,
    sent_once,
    use,
)
from evals.task import Task, do, tell
from evals.world import Agent, Talk, Trouble, World, replies, spoken
from tests.fake import Answer, Cut

SENDS = frozenset({"send_message"})
LISTS = re.compile("list|region", re.IGNORECASE)


def report(*rules: tuple[str, str], faults: tuple[Trouble, ...] = ()) -> World:
    """Ada, who answers by these rules, and her Report conversation."""
    agent = Agent("ada", replies(*rules), name="Ada")
    return World((agent,), (Talk("report", "ada", "Report", ("Figures are in.", "Seen.")),), faults=faults)


LIST = "#say Action items: call Dora,# #tool minutes {} #answer and book the hall.#"
CUT_MINUTES = World(
    (Agent("ada", replies((".", LIST)), name="Ada", quick=("minutes",)),),
    (Talk("minutes", "ada", "Minutes", ("We met today.", "Good.")),),
    faults=(
        ("POST", "*/messages", Cut(4), 1),
        ("POST", "*/stream", Answer(404, {"detail": "Not found"}), None),
        ("GET", "/v1/runs/run-*", Answer(404, {"detail": "Run not found"}), None),
    ),
)
ASK_MINUTES = do("send_message", conversation_id="@minutes", message="Which action items are there?")
READ_MINUTES = do("get_history", conversation_id="@minutes")
REGIONS = do("send_message", conversation_id="@report", message="Please list the regions.")
GO_ON = do("send_message", conversation_id="@report", message="Please go on where you were cut off.")
SEND = do("send_message", conversation_id="@report", message="Please work out the totals.")

TASKS = (
    Task(
        "broken-off",
        ("Ask Ada in the Minutes conversation which action items there are, and list them for me.",),
        CUT_MINUTES,
        {
            "asks once": sent_once("minutes"),
            "tells all of them, or that some may be missing": both(
                answers("Dora"), any_of(answers("hall"), answers(UNFINISHED))
            ),
            "looks what became of it": called(
                either(use("get_history", conversation_id="@minutes"), use("wait_for_reply"))
            ),
        },
        SENDS,
        good=(
            (ASK_MINUTES, READ_MINUTES, tell("Call Dora and book the hall.")),
            (
                ASK_MINUTES,
                do("wait_for_reply", conversation_id="@minutes"),
                READ_MINUTES,
                tell("Call Dora and book the hall."),
            ),
        ),
        bad={
            "asks once": (ASK_MINUTES, ASK_MINUTES, READ_MINUTES, tell("Call Dora and book the hall.")),
            "tells all of them, or that some may be missing": (ASK_MINUTES, READ_MINUTES, tell("Only: call Dora.")),
            "looks what became of it": (ASK_MINUTES, tell("Call Dora; the reply broke off.")),
        },
    ),
    Task(
        "out-of-tokens",
        ("Ask Ada in the Report conversation to list the regions, and tell me what she says.",),
        report(
            ("go on|continue|rest|cut|finish|remaining", spoken("South, East.")),
            (".", "#length #answer North, West, #"),
        ),
        {
            "asks for the list once": at_most(1, use("send_message", message=LISTS)),
            "tells the rest, or that it is missing": any_of(answers("South"), answers(UNFINISHED)),
            "tells what there is": answers("North"),
        },
        SENDS,
        good=(
            (REGIONS, GO_ON, tell("North, West, South and East.")),
            (REGIONS, tell("North and West; then her answer was cut off.")),
        ),
        bad={
            "asks for the list once": (
                do("send_message", conversation_id="@report", message="Please list the regions."),
                do("send_message", conversation_id="@report", message="Please list all regions."),
                tell("North and West, cut off."),
            ),
            "tells the rest, or that it is missing": (REGIONS, tell("North and West.")),
            "tells what there is": (REGIONS, tell("Her answer was cut off.")),
        },
    ),
    Task(
        "agent-fails",
        ("Ask Ada in the Report conversation for the totals.",),
        report((".", "#http 400")),
        {
            "does not try for ever": at_most(3, use("send_message")),
            "asks": at_least(1, use("send_message", conversation_id="@report")),
            "tells that it failed": answers(FAILED),
        },
        SENDS,
        good=(
            (SEND, tell("Ada's model failed; nothing was kept of the question.")),
            (SEND, SEND, tell("Ada's model failed twice.")),
        ),
        bad={
            "does not try for ever": (SEND, SEND, SEND, SEND, tell("It fails each time.")),
            "asks": (tell("Ada can't answer, there is an error."),),
            "tells that it failed": (SEND, tell("Ada says the total is zero.")),
        },
    ),
    Task(
        "out-of-credits",
        ("Ask Ada in the Report conversation for the totals.",),
        report(faults=(("POST", "*/messages", Answer(402, {}), None),)),
        {
            "asks once at most": at_most(1, use("send_message")),
            "tells why": answers("credit|quota"),
        },
        SENDS,
        good=((SEND, tell("The Letta account is out of credits.")),),
        bad={
            "asks once at most": (SEND, SEND, tell("Out of credits.")),
            "tells why": (SEND, tell("It did not work.")),
        },
    ),
)
