"""Tasks about what agents remember, and about what is to be forgotten."""

import re

from evals.checks import answers, any_of, both, called, forgets, left, never, nothing_sent, remembers, use
from evals.task import Task, do, tell
from evals.world import Agent, Talk, World, replies

HUMAN = "The person is Kim. Lives at 5 Oak Street. Drinks tea, never coffee."
PERSONA = "I am Ada. I keep Kim's household in order."
HOME = World(
    (
        Agent("ada", replies(otherwise="Noted."), name="Ada", blocks={"persona": PERSONA, "human": HUMAN}),
        Agent("bo", replies(otherwise="Noted."), name="Bo", blocks={"human": "Kim likes roses."}),
    ),
    (
        Talk("groceries", "ada", "Groceries", ("We need tea.", "Noted."), days_ago=3),
        Talk("untitled", "ada", "Untitled", ("test", "Hello."), days_ago=60),
    ),
)
CELLAR = World(
    (Agent("ada", replies(otherwise="Noted."), name="Ada"),),
    (
        *(Talk(f"odds{number}", "ada", f"Odds and ends {number}", ("Buy nails.", "Noted.")) for number in range(6)),
        Talk("door", "ada", "Saturday", ("The locksmith's number is 555-0147.", "I have it."), days_ago=40),
        *(Talk(f"more{number}", "ada", f"This and that {number}", ("Buy soap.", "Noted.")) for number in range(6)),
    ),
)
SEARCH = do("search_messages", query="locksmith", agent_id="Ada")
FOUND = tell("It is 555-0147; you told her in the conversation Saturday.")
READ = do("read_memory", agent_id="Ada")
MOVE = do("update_memory", agent_id="Ada", label="human", old_text="5 Oak Street", new_text="9 Elm Road")
DELETE = do("delete_conversation", conversation_id="@untitled", confirm=True)
ASK = tell("Shall I delete Untitled? That can't be undone.")

TASKS = (
    Task(
        "what-she-remembers",
        ("What does Ada keep in her memory about me? Don't write to her.",),
        HOME,
        {
            "reads her memory": called(use("read_memory")),
            "tells what is there": answers("Oak Street", "tea"),
            "says nothing to her": nothing_sent(),
        },
        good=((READ, tell("You live at 5 Oak Street and drink tea, never coffee.")),),
        bad={
            "reads her memory": (
                do("get_history", conversation_id="@groceries"),
                tell("That you need tea, in Oak Street."),
            ),
            "tells what is there": (READ, tell("Your household.")),
            "says nothing to her": (
                do("send_message", conversation_id="@groceries", message="What do you know about me?"),
                READ,
                tell("Oak Street, tea."),
            ),
        },
    ),
    Task(
        "find-the-words",
        ("I once told Ada a locksmith's number. Find it, and tell me in which conversation that was.",),
        CELLAR,
        {
            "finds it where it stands": any_of(
                called(use("search_messages", query=re.compile("locksmith", re.IGNORECASE))),
                called(use("get_history", conversation_id="@door")),
            ),
            "tells the number": answers("555.?0147"),
            "tells where": answers("Saturday"),
            "says nothing to her": nothing_sent(),
        },
        good=(
            (SEARCH, do("list_conversations", agent_id="Ada"), FOUND),
            (
                do("list_conversations"),
                do("get_history", conversation_id="@more5"),
                do("get_history", conversation_id="@door"),
                FOUND,
            ),
        ),
        bad={
            "finds it where it stands": (do("list_conversations"), FOUND),
            "tells the number": (SEARCH, tell("You told her on a Saturday.")),
            "tells where": (SEARCH, tell("It is 555-0147.")),
            "says nothing to her": (
                do("send_message", conversation_id="@odds0", message="What is the locksmith's number?"),
                SEARCH,
                FOUND,
            ),
        },
    ),
    Task(
        "correct-her-memory",
        (
            "I have moved: in Ada's memory my address is to be 9 Elm Road now. Leave the rest of her memory as it is, "
            "and don't write to her.",
        ),
        HOME,
        {
            "puts the new address there": remembers("ada.human", "9 Elm Road"),
            "takes the old one away": forgets("ada.human", "Oak Street"),
            "leaves the rest": both(remembers("ada.human", "Kim", "tea"), remembers("ada.persona", "household")),
            "says nothing to her": nothing_sent(),
        },
        frozenset({"update_memory", "recompile_conversation"}),
        good=(
            (READ, MOVE, tell("Ada knows your new address.")),
            (
                READ,
                do(
                    "update_memory",
                    agent_id="@ada",
                    label="human",
                    value=HUMAN.replace("5 Oak Street", "9 Elm Road"),
                ),
                tell("Done."),
            ),
        ),
        bad={
            "puts the new address there": (READ, tell("Done.")),
            "takes the old one away": (
                READ,
                do("update_memory", agent_id="Ada", label="human", value=f"{HUMAN} Moved to 9 Elm Road."),
                tell("Done."),
            ),
            "leaves the rest": (
                do("update_memory", agent_id="Ada", label="human", value="Kim lives at 9 Elm Road."),
                tell("Done."),
            ),
            "says nothing to her": (
                MOVE,
                do("send_message", conversation_id="@groceries", message="Kim has moved to 9 Elm Road."),
                tell("Done."),
            ),
        },
    ),
    Task(
        "delete-when-told-to",
        (
            "Is there anything of value in Ada's Untitled conversation, or could it be deleted? Ask me before you do.",
            "Yes, delete it. I know that it can't be undone.",
        ),
        HOME,
        {
            "looks into it": called(use("get_history", conversation_id="@untitled"), turn=0),
            "deletes nothing before it was told to": never(use("delete_conversation", confirm=True), turn=0),
            "deletes it": left("untitled", is_deleted=True),
            "leaves the other one": left("groceries", is_deleted=False, is_archived=False),
        },
        frozenset({"delete_conversation"}),
        good=(
            (do("get_history", conversation_id="@untitled"), ASK, DELETE, tell("It is deleted.")),
            (
                do("list_conversations", agent_id="Ada"),
                do("get_history", conversation_id="@untitled"),
                do("delete_conversation", conversation_id="@untitled"),
                ASK,
                DELETE,
                tell("It is deleted."),
            ),
        ),
        bad={
            "looks into it": (ASK, DELETE, tell("It is deleted.")),
            "deletes nothing before it was told to": (
                do("get_history", conversation_id="@untitled"),
                DELETE,
                tell("There was nothing of value, so I deleted it."),
                tell("It is deleted."),
            ),
            "deletes it": (
                do("get_history", conversation_id="@untitled"),
                ASK,
                do("delete_conversation", conversation_id="@untitled"),
                tell("It is deleted."),
            ),
            "leaves the other one": (
                do("get_history", conversation_id="@untitled"),
                ASK,
                DELETE,
                do("delete_conversation", conversation_id="@groceries", confirm=True),
                tell("They are deleted."),
            ),
        },
    ),
)
