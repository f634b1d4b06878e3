"""Tasks over several agents or conversations at once, by hand or with the tools made for them."""

import re

from evals.checks import (
    FAILED,
    answers,
    asked_alike,
    at_most,
    both,
    called,
    heard_in_new,
    made,
    nothing_sent,
    sent_once,
    use,
)
from evals.task import Task, do, taken, tell
from evals.tasks.reading import LONG
from evals.world import Agent, Talk, World, replies, spoken

QUESTION = "What is a hash table?"


def panel(cy: str) -> World:
    """Ada who knows it, Bo who doesn't, and Cy with this script."""
    return World(
        (
            Agent(
                "ada",
                replies(
                    (
                        "hash",
                        spoken("A table that finds a value by a number computed from its key, in about one step."),
                    ),
                ),
                name="Ada",
            ),
            Agent("bo", replies(("hash", spoken("Something to eat, I think."))), name="Bo"),
            Agent("cy", replies((".", cy)), name="Cy"),
        ),
        (
            Talk("ada-lab", "ada", "Lab", ("Hi.", "Hello.")),
            Talk("bo-lab", "bo", "Lab", ("Hi.", "Hello.")),
            Talk("cy-lab", "cy", "Lab", ("Hi.", "Hello.")),
        ),
    )


TICKETS = World(
    (Agent("ada", replies(otherwise="Noted in the ticket."), name="Ada"),),
    (Talk("t170", "ada", "T-170", ("The lamp is broken.", "Noted.")),),
)
ANSWERED = "The supplier has answered."
DELIVERY = "They deliver in three weeks."
OPEN = do("create_conversation", agent_id="Ada", summary="T-17")
OPEN_KEYED = do("open_conversation", key="T-17", agent_id="Ada")
A_SENTENCE = r"\w+(\W+\w+){5}"
ASK_ADA = do("send_message", conversation_id="@ada-lab", message=QUESTION)
ASK_BO = do("send_message", conversation_id="@bo-lab", message=QUESTION)
ASK_CY = do("send_message", conversation_id="@cy-lab", message=QUESTION)

TASKS = (
    Task(
        "better-of-two",
        (f'Which of my agents Ada and Bo answers this better, and why: "{QUESTION}" Ask both in the same words.',),
        panel(spoken("No idea.")),
        {
            "asks both once, in the same words": asked_alike(("ada", "bo"), "hash table"),
            "names the better one, and why": answers(r"\bAda\b", A_SENTENCE),
            "asks nobody else": nothing_sent("cy.own"),
        },
        frozenset({"create_conversation", "open_conversation", "send_message", "compare_replies"}),
        good=(
            (do("list_conversations"), ASK_ADA, ASK_BO, tell("Ada: she says what it does, and Bo thinks of food.")),
            (
                do("compare_replies", message=QUESTION, agent_ids=["Ada", "Bo"]),
                tell("Ada explains it, while Bo only guesses."),
            ),
            (
                do("create_conversation", agent_id="Ada"),
                do("send_message", conversation_id=taken("id"), message=QUESTION),
                do("create_conversation", agent_id="Bo"),
                do("send_message", conversation_id=taken("id"), message=QUESTION),
                tell("Ada explains it, while Bo guesses."),
            ),
        ),
        bad={
            "asks both once, in the same words": (
                ASK_ADA,
                do("send_message", conversation_id="@bo-lab", message="Do you know what a hash table is?"),
                tell("Ada explains it."),
            ),
            "names the better one, and why": (ASK_ADA, ASK_BO, tell("Both have answered.")),
            "asks nobody else": (
                ASK_ADA,
                ASK_BO,
                do("send_message", conversation_id="@cy.own", message=QUESTION),
                tell("Ada explains it; Cy has no idea."),
            ),
        },
    ),
    Task(
        "one-of-three-fails",
        (f'Put this to Ada, Bo and Cy, each in their Lab conversation, and tell me what each says: "{QUESTION}"',),
        panel("#http 400"),
        {
            "asks those who can answer once": both(sent_once("ada-lab", "hash"), sent_once("bo-lab", "hash")),
            "tells their answers": answers("key|number|value", "eat|food"),
            "tells who failed": answers(rf"\bCy\b.*({FAILED})|({FAILED}).*\bCy\b"),
        },
        frozenset({"send_message", "compare_replies"}),
        good=(
            (
                do("list_conversations", search="lab"),
                ASK_ADA,
                ASK_CY,
                ASK_BO,
                tell("Ada: a table that finds a value by its key. Bo: something to eat. Cy's model failed."),
            ),
            (
                do(
                    "compare_replies",
                    message=QUESTION,
                    conversation_ids=["@ada-lab", "@bo-lab", "@cy-lab"],
                ),
                tell("Ada: a table that finds a value by its key. Bo: something to eat. Cy's model failed."),
            ),
        ),
        bad={
            "asks those who can answer once": (
                ASK_CY,
                ASK_ADA,
                tell("Ada: a value by its key. Bo: something to eat. Cy failed."),
            ),
            "tells their answers": (ASK_ADA, ASK_BO, ASK_CY, tell("Cy failed, so there is nothing to compare.")),
            "tells who failed": (ASK_ADA, ASK_BO, ASK_CY, tell("Ada and Cy: a value by its key. Bo: food.")),
        },
    ),
    Task(
        "one-conversation-for-a-ticket",
        (
            f"Each ticket has one conversation with Ada, found by its number. In that of ticket T-17, tell her: "
            f'"{ANSWERED}" Make it if there is none yet.',
            f'Also tell her there: "{DELIVERY}"',
        ),
        TICKETS,
        {
            "has one conversation for it": made(1, agent="ada", title=re.compile(r"\bT-17\b")),
            "says both there, once each": heard_in_new("supplier", "three weeks"),
            "leaves the other ticket alone": nothing_sent("t170", "ada.own"),
        },
        frozenset({"create_conversation", "open_conversation", "send_message", "update_conversation"}),
        good=(
            (
                do("list_conversations", search="T-17"),
                OPEN,
                do("send_message", conversation_id=taken("id"), message=ANSWERED),
                tell("I told her."),
                do("send_message", conversation_id=taken("conversation_id"), message=DELIVERY),
                tell("I told her that, too."),
            ),
            (
                OPEN_KEYED,
                do("send_message", conversation_id=taken("id"), message=ANSWERED),
                tell("I told her."),
                OPEN_KEYED,
                do("send_message", conversation_id=taken("id"), message=DELIVERY),
                tell("I told her that, too."),
            ),
        ),
        bad={
            "has one conversation for it": (
                OPEN,
                do("send_message", conversation_id=taken("id"), message=ANSWERED),
                tell("I told her."),
                OPEN,
                do("send_message", conversation_id=taken("id"), message=DELIVERY),
                tell("I told her."),
            ),
            "says both there, once each": (
                OPEN,
                do("send_message", conversation_id=taken("id"), message=ANSWERED),
                tell("I told her."),
                tell("I told her."),
            ),
            "leaves the other ticket alone": (
                OPEN,
                do("send_message", conversation_id=taken("id"), message=ANSWERED),
                tell("I told her."),
                do("send_message", conversation_id="@t170", message=DELIVERY),
                tell("I told her."),
            ),
        },
    ),
    Task(
        "export",
        ("Export the whole Migration conversation as a Markdown file, and tell me where it is.",),
        LONG,
        {
            "exports it as Markdown": called(
                use("export_conversation", conversation_id="@migration", format={"markdown", None})
            ),
            "tells where it is": answers(r"[\w/.-]+\.md"),
            "does not read it all for that": at_most(1, use("get_history")),
        },
        frozenset({"export_conversation"}),
        good=(
            (
                do("list_conversations", search="migration"),
                do("export_conversation", conversation_id="@migration"),
                tell("It is in /home/kim/transcripts/migration.md."),
            ),
        ),
        bad={
            "exports it as Markdown": (
                do("export_conversation", conversation_id="@migration", format="json"),
                tell("It is in /home/kim/transcripts/migration.json, not .md: a.md."),
            ),
            "tells where it is": (do("export_conversation", conversation_id="@migration"), tell("It is done.")),
            "does not read it all for that": (
                do("get_history", conversation_id="@migration", limit=50),
                do("get_history", conversation_id="@migration", before=taken("older_cursor"), limit=50),
                do("export_conversation", conversation_id="@migration"),
                tell("It is in a.md."),
            ),
        },
    ),
)
