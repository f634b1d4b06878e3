"""Tasks of changing conversations, and of making agents and conversations."""

import re

from evals.checks import (
    answers,
    called,
    done_once,
    either,
    has_agent,
    left,
    never,
    nothing_sent,
    sent_once_in_new,
    use,
)
from evals.task import Task, do, taken, tell
from evals.world import Agent, Talk, World, replies, spoken

ADA = Agent(
    "ada",
    replies(("59", spoken("At 59 we would lose a tenth of the buyers.")), otherwise="Noted."),
    name="Ada",
)
DESK = World(
    (ADA,),
    (
        Talk("lisbon", "ada", "Lisbon trip", ("Hotel?", "By the river."), days_ago=90, is_archived=True),
        Talk("offsite24", "ada", "Offsite 2024", ("Where?", "Porto."), days_ago=300),
        Talk("offsite25", "ada", "Offsite 2025", ("Where?", "Turin."), days_ago=20),
        Talk("untitled", "ada", "Untitled", ("Which forms for my tax return?", "Form N and form S."), days_ago=5),
        Talk(
            "pricing",
            "ada",
            "Pricing",
            (
                "What should it cost?",
                "I propose 49 euros.",
                "Let us make it free instead.",
                "Then we need another income.",
                "Advertisements?",
                "Not with our readers.",
            ),
            days_ago=4,
        ),
        Talk("shipping", "ada", "Shipping", ("Where do you ship to?", "To your address in Oak Street."), days_ago=3),
        Talk("long", "ada", "Migration", tuple(f"Step {number}" for number in range(40)), days_ago=2),
    ),
)
FORK = do("fork_conversation", conversation_id="@pricing", message_id="@pricing.2")
ASK_59 = do("send_message", conversation_id=taken("id"), message="What if it cost 59 euros?")
VERA = do(
    "create_agent",
    name="Vera",
    persona="I am a strict proof-reader. I name every mistake.",
    model="openai-proxy/scripted",
)

TASKS = (
    Task(
        "archive",
        ("Archive my conversation about the 2024 offsite.",),
        DESK,
        {
            "archives it": left("offsite24", is_archived=True, is_deleted=False),
            "leaves the other one": left("offsite25", is_archived=False),
            "keeps its title": left("offsite24", title="Offsite 2024"),
        },
        frozenset({"update_conversation"}),
        good=(
            (
                do("list_conversations", search="offsite"),
                do("update_conversation", conversation_id="@offsite24", archived=True),
                tell("It is archived."),
            ),
        ),
        bad={
            "archives it": (do("list_conversations", search="offsite"), tell("It is archived.")),
            "leaves the other one": (
                do("update_conversation", conversation_id="@offsite24", archived=True),
                do("update_conversation", conversation_id="@offsite25", archived=True),
                tell("They are archived."),
            ),
            "keeps its title": (
                do("update_conversation", conversation_id="@offsite24", archived=True, summary="Archived"),
                tell("It is archived."),
            ),
        },
    ),
    Task(
        "bring-back",
        ("I put a conversation about a trip to Lisbon away in the archive. Bring it back and tell me its title.",),
        DESK,
        {
            "brings it back": left("lisbon", is_archived=False),
            "tells its title": answers("Lisbon trip"),
        },
        frozenset({"update_conversation"}),
        good=(
            (
                do("list_conversations", archived=True),
                do("update_conversation", conversation_id="@lisbon", archived=False),
                tell("“Lisbon trip” is back."),
            ),
        ),
        bad={
            "brings it back": (do("list_conversations", archived=True), tell("“Lisbon trip” is back.")),
            "tells its title": (
                do("update_conversation", conversation_id="@lisbon", archived=False),
                tell("It is back."),
            ),
        },
    ),
    Task(
        "rename",
        ("My conversation named Untitled needs a better title. Look what it is about and give it a short one.",),
        DESK,
        {
            "reads it": called(use("get_history", conversation_id="@untitled")),
            "gives it a title that fits": left("untitled", title=re.compile(r"(?i)^(?=.*\b(tax|forms?)\b).{1,60}$")),
            "says nothing to Ada": nothing_sent(),
        },
        frozenset({"update_conversation"}),
        good=(
            (
                do("list_conversations", search="untitled"),
                do("get_history", conversation_id="@untitled"),
                do("update_conversation", conversation_id="@untitled", summary="Tax return forms"),
                tell("It is “Tax return forms” now."),
            ),
        ),
        bad={
            "reads it": (
                do("update_conversation", conversation_id="@untitled", summary="Tax return"),
                tell("It is “Tax return” now."),
            ),
            "gives it a title that fits": (
                do("get_history", conversation_id="@untitled"),
                do("update_conversation", conversation_id="@untitled", summary="Titled"),
                tell("Done."),
            ),
            "says nothing to Ada": (
                do("get_history", conversation_id="@untitled"),
                do("send_message", conversation_id="@untitled", message="What is this about?"),
                do("update_conversation", conversation_id="@untitled", summary="Tax return"),
                tell("Done."),
            ),
        },
    ),
    Task(
        "fork-up-to",
        (
            "Take the Pricing conversation up to where Ada proposed a price, go on from there in a fork of its own, "
            "and ask her there what if it cost 59 euros. The original must stay as it is.",
        ),
        DESK,
        {
            "forks at her proposal": called(
                use("fork_conversation", conversation_id="@pricing", message_id="@pricing.2")
            ),
            "asks once, in the fork": sent_once_in_new("59"),
            "leaves the original": nothing_sent("pricing"),
            "tells the answer": answers("tenth|10 ?(%|per)"),
        },
        frozenset({"fork_conversation", "send_message", "update_conversation"}),
        good=(
            (
                do("list_conversations", search="pricing"),
                do("get_history", conversation_id="@pricing"),
                FORK,
                ASK_59,
                tell("She says a tenth of the buyers would be lost."),
            ),
        ),
        bad={
            "forks at her proposal": (
                do("fork_conversation", conversation_id="@pricing"),
                ASK_59,
                tell("A tenth would be lost."),
            ),
            "asks once, in the fork": (FORK, tell("A tenth would be lost.")),
            "leaves the original": (
                FORK,
                do("send_message", conversation_id="@pricing", message="What if it cost 59 euros?"),
                tell("A tenth would be lost."),
            ),
            "tells the answer": (FORK, ASK_59, tell("I have asked her.")),
        },
    ),
    Task(
        "compact",
        ("The Migration conversation has become long. Compact it.",),
        DESK,
        {
            "compacts it": called(use("compact_conversation", conversation_id="@long")),
            "once": done_once("compact_conversation"),
            "nothing is sent for it": nothing_sent(),
        },
        frozenset({"compact_conversation"}),
        good=(
            (
                do("list_conversations", search="migration"),
                do("compact_conversation", conversation_id="@long"),
                tell("It is compacted."),
            ),
        ),
        bad={
            "compacts it": (do("compact_conversation", conversation_id="@pricing"), tell("It is compacted.")),
            "once": (
                do("compact_conversation", conversation_id="@long"),
                do("compact_conversation", conversation_id="@long"),
                tell("It is compacted."),
            ),
            "nothing is sent for it": (
                do("send_message", conversation_id="@long", message="Please sum this up."),
                do("compact_conversation", conversation_id="@long"),
                tell("It is compacted."),
            ),
        },
    ),
    Task(
        "newer-memory",
        (
            "I have corrected my address in Ada's memory elsewhere, but the Shipping conversation still goes by the "
            "old one. Bring it up to date with her memory, without writing to her.",
        ),
        DESK,
        {
            "recompiles it": called(use("recompile_conversation", conversation_id="@shipping")),
            "compacts nothing": never(use("compact_conversation")),
            "says nothing to Ada": nothing_sent(),
        },
        frozenset({"recompile_conversation"}),
        good=(
            (
                do("list_conversations", search="shipping"),
                do("recompile_conversation", conversation_id="@shipping"),
                tell("It is up to date."),
            ),
        ),
        bad={
            "recompiles it": (do("recompile_conversation", conversation_id="@pricing"), tell("It is up to date.")),
            "compacts nothing": (
                do("compact_conversation", conversation_id="@shipping"),
                do("recompile_conversation", conversation_id="@shipping"),
                tell("It is up to date."),
            ),
            "says nothing to Ada": (
                do("send_message", conversation_id="@shipping", message="My address has changed."),
                tell("It is up to date."),
            ),
        },
    ),
    Task(
        "new-agent",
        ('Make me a Letta agent named Vera, a strict proof-reader, on the model "openai-proxy/scripted".',),
        DESK,
        {
            "makes it": has_agent("Vera"),
            "says what it is like": called(
                either(
                    use("create_agent", persona=re.compile("proof", re.IGNORECASE)),
                    use("create_agent", system=re.compile("proof", re.IGNORECASE)),
                )
            ),
            "makes no more than one": done_once("create_agent"),
        },
        frozenset({"create_agent", "create_conversation"}),
        good=((VERA, tell("Vera is there.")), (do("list_agents"), VERA, tell("Vera is there."))),
        bad={
            "makes it": (do("create_agent", name="Proof-reader", persona="proof"), tell("Vera is there.")),
            "says what it is like": (
                do("create_agent", name="Vera", model="openai-proxy/scripted"),
                tell("Vera is there."),
            ),
            "makes no more than one": (VERA, VERA, tell("Vera is there.")),
        },
    ),
)
