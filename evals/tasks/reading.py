"""Tasks of finding something and reading it."""

from evals.checks import answers, before, called, either, nothing_sent, read_whole, sent_once, use
from evals.task import Task, do, taken, tell
from evals.world import Agent, Talk, World, replies

ADA = Agent("ada", replies(otherwise="Noted."), name="Ada", description="Finance")
BO = Agent("bo", replies(otherwise="Noted."), name="Bo", description="Gardening and travel")
LEX = Agent("lex", replies(otherwise="Noted."), name="Lex", description="Contracts and employment law")

OFFICE = World(
    (ADA, BO, LEX),
    (
        Talk("old", "ada", "Billing 2024", ("When do invoices go out?", "Decision: on the 15th."), days_ago=400),
        Talk("hiring", "lex", "Hiring", ("May we ask for references?", "Yes, with consent."), days_ago=3),
        Talk("offsite", "bo", "Where the team meets in spring", ("Lisbon or Porto?", "Lisbon, in April."), days_ago=2),
        Talk("billing", "ada", "Billing", ("When do invoices go out?", "Decision: on the 3rd of each month.")),
        Talk("scratch", "bo", "Scratch"),
    ),
)
AGREE = do("send_message", conversation_id="@billing", message="I agree: invoices go out on the 3rd.")
READ_BILLING = do("get_history", conversation_id="@billing")

LONG = World(
    (ADA,),
    (
        Talk(
            "migration",
            "ada",
            "Migration",
            (
                "Kick-off is on 4 May; Priya leads it.",
                "Noted.",
                *(f"{who} {number}" for number in range(30) for who in ("Status of table", "Done: table")),
                "What is still open?",
                "Only the rollback plan.",
            ),
        ),
    ),
)
PAGE = do("get_history", conversation_id="@migration")
OLDER = do("get_history", conversation_id="@migration", before=taken("older_cursor"))
ENDS_OF_LONG = tell("It began with the kick-off on 4 May under Priya; only the rollback plan is open.")

OWN = World(
    (
        Agent("ada", replies(otherwise="Noted."), own=("My desk number is 12.", "Noted.", "It is 14 now.", "Noted.")),
        BO,
    ),
    (Talk("desk", "ada", "Desk", ("My desk number is 9.", "Noted.")),),
)

TASKS = (
    Task(
        "read-and-reply",
        (
            "Yesterday Ada and I decided in the Billing conversation when invoices go out. Look it up and reply there "
            "that I agree, naming the date.",
        ),
        OFFICE,
        {
            "reads before it replies": before(use("get_history", conversation_id="@billing"), use("send_message")),
            "replies once, with the date": sent_once("billing", r"\b3(rd)?\b|third"),
            "says nothing elsewhere": nothing_sent("old", "hiring", "offsite", "ada.own"),
        },
        frozenset({"send_message"}),
        good=(
            (do("list_conversations", search="billing"), READ_BILLING, AGREE, tell("I told Ada that you agree.")),
            (
                do("list_agents", query="Ada"),
                do("list_conversations", agent_id="Ada"),
                do("get_history", conversation_id="@old"),
                READ_BILLING,
                AGREE,
                tell("Done."),
            ),
        ),
        bad={
            "reads before it replies": (AGREE, READ_BILLING, tell("Done.")),
            "replies once, with the date": (READ_BILLING, AGREE, AGREE, tell("Done.")),
            "says nothing elsewhere": (
                READ_BILLING,
                do("send_message", conversation_id="@old", message="I agree: on the 3rd."),
                tell("Done."),
            ),
        },
    ),
    Task(
        "find-by-subject",
        ("In which of my conversations did we talk about Lisbon? Just tell me its title.",),
        OFFICE,
        {
            "looks into the conversation": called(
                either(use("get_history", conversation_id="@offsite"), use("search_messages"))
            ),
            "names it": answers("where the team meets"),
            "says nothing to anyone": nothing_sent(),
        },
        good=(
            (
                do("list_conversations", search="Lisbon"),
                do("list_conversations"),
                do("get_history", conversation_id="@offsite"),
                tell("It is “Where the team meets in spring”."),
            ),
            (
                do("search_messages", query="Lisbon", agent_id="Bo"),
                do("retrieve_conversation", conversation_id=taken("hits", 0, "conversation_id")),
                tell("It is “Where the team meets in spring”."),
            ),
        ),
        bad={
            "looks into the conversation": (do("list_conversations"), tell("Where the team meets in spring, I guess.")),
            "names it": (do("list_conversations", search="Lisbon"), tell("There is none.")),
            "says nothing to anyone": (
                do("get_history", conversation_id="@offsite"),
                do("send_message", conversation_id="@offsite", message="Was it here?"),
                tell("Where the team meets in spring."),
            ),
        },
    ),
    Task(
        "whole-history",
        (
            "Read the whole history of the Migration conversation and tell me how it began and what was still open at "
            "the end.",
        ),
        LONG,
        {
            "reads all of it": read_whole("migration"),
            "tells both ends": answers("Priya|4 May|May 4", "rollback"),
        },
        good=(
            (do("list_conversations"), PAGE, OLDER, OLDER, OLDER, ENDS_OF_LONG),
            (do("get_history", conversation_id="@migration", limit=100), ENDS_OF_LONG),
        ),
        bad={
            "reads all of it": (PAGE, OLDER, ENDS_OF_LONG),
            "tells both ends": (
                do("get_history", conversation_id="@migration", limit=100),
                tell("It began with table 0; only the rollback plan is open."),
            ),
        },
    ),
    Task(
        "empty-conversation",
        ("What has Bo said in the Scratch conversation so far?",),
        OFFICE,
        {
            "looks": called(
                either(
                    use("get_history", conversation_id="@scratch"),
                    use("retrieve_conversation", conversation_id="@scratch"),
                )
            ),
            "tells that there is nothing": answers(
                r"nothing|no messages|empty|hasn.t said|has not said|not said anything"
            ),
            "says nothing to anyone": nothing_sent(),
        },
        good=((do("list_conversations"), do("get_history", conversation_id="@scratch"), tell("Nothing so far.")),),
        bad={
            "looks": (do("list_conversations"), tell("Nothing.")),
            "tells that there is nothing": (
                do("get_history", conversation_id="@scratch"),
                tell("Bo said that he is a helpful agent."),
            ),
            "says nothing to anyone": (
                do("get_history", conversation_id="@scratch"),
                do("send_message", conversation_id="@scratch", message="What did you say?"),
                tell("Nothing."),
            ),
        },
    ),
    Task(
        "choose-an-agent",
        ("Which of my Letta agents should I ask about a notice period? Only tell me who and why.",),
        OFFICE,
        {
            "looks at the agents": called(use("list_agents")),
            "names the right one": answers(r"\bLex\b"),
            "asks nobody": nothing_sent(),
        },
        good=((do("list_agents"), tell("Lex: contracts and employment law.")),),
        bad={
            "looks at the agents": (tell("Lex, by the name."),),
            "names the right one": (do("list_agents"), tell("Ada.")),
            "asks nobody": (
                do("list_agents"),
                do("send_message", conversation_id="@hiring", message="What is my notice period?"),
                tell("Lex."),
            ),
        },
    ),
    Task(
        "own-thread",
        ("What is the desk number that I last told ada in her own thread, not in one of the conversations?",),
        OWN,
        {
            "reads the agent's own thread": called(use("get_history", conversation_id="@ada.own")),
            "tells the last number": answers(r"\b14\b"),
            "says nothing to anyone": nothing_sent(),
        },
        good=((do("list_agents"), do("get_history", conversation_id="@ada.own"), tell("14.")),),
        bad={
            "reads the agent's own thread": (do("get_history", conversation_id="@desk"), tell("9, or maybe 14.")),
            "tells the last number": (do("get_history", conversation_id="@ada.own"), tell("It is 12.")),
            "says nothing to anyone": (
                do("send_message", conversation_id="@ada.own", message="What is my desk number?"),
                tell("14."),
            ),
        },
    ),
)
