"""Tasks in which a reply takes its time, or is to be stopped."""

from evals.checks import (
    STILL_GOING,
    UNFINISHED,
    answers,
    answers_nothing_of,
    any_of,
    at_least,
    both,
    called,
    never,
    nothing_sent,
    sent_once,
    stopped,
    use,
)
from evals.task import Task, do, tell
from evals.world import Agent, Talk, World, replies, slowly

SENDS = frozenset({"send_message"})
ASK = "Please work out the totals."
BEGIN = do("send_message", conversation_id="@report", message=ASK, wait_seconds=0.05)
WAIT = do("wait_for_reply", conversation_id="@report")
LOOK = do("wait_for_reply", conversation_id="@report", wait_seconds=0.05)
NOT_STOPPED = (
    r"not (been )?(stop|cancel)|n.t (be )?(stop|cancel)|not (be )?(stop|cancel)|unable|cannot|can.t|only .* in Letta"
)


def report(character_script: str, *, waits: int | None = 1, started: str | None = None) -> World:
    """Ada, who answers anything by this script, and her Report conversation."""
    agent = Agent("ada", replies((".", character_script)), name="Ada", slow=("count",))
    talk = Talk("report", "ada", "Report", ("Figures are in.", "Seen."), started=started)
    other = Talk("other", "ada", "Holidays", ("I am off in May.", "Noted."))
    return World((agent,), (other, talk), waits=waits)


TOTAL = slowly("The total is 4711.")
PARTIAL = "#say North: 12. South: 9.# #tool count {} #answer East: 30. That is all.#"

TASKS = (
    Task(
        "still-running",
        ("Ask Ada in the Report conversation to work out the totals, and tell me the result.",),
        report(TOTAL),
        {
            "asks once": sent_once("report"),
            "waits for the reply": called(use("wait_for_reply", conversation_id="@report")),
            "tells the result": answers(r"4,?711"),
        },
        SENDS,
        good=((do("list_conversations", search="report"), BEGIN, WAIT, tell("The total is 4711.")),),
        bad={
            "asks once": (BEGIN, BEGIN, WAIT, WAIT, tell("The total is 4711.")),
            "waits for the reply": (BEGIN, tell("The total is 4711, I suppose.")),
            "tells the result": (BEGIN, WAIT, tell("Ada has worked it out.")),
        },
    ),
    Task(
        "running-for-long",
        ("Ask Ada in the Report conversation for the totals. It takes a while: keep waiting until she has them.",),
        report(TOTAL, waits=3),
        {
            "asks once": sent_once("report"),
            "keeps waiting": at_least(3, use("wait_for_reply", conversation_id="@report")),
            "tells the result": answers(r"4,?711"),
        },
        SENDS,
        good=((BEGIN, LOOK, LOOK, WAIT, tell("4,711.")),),
        bad={
            "asks once": (
                BEGIN,
                LOOK,
                LOOK,
                WAIT,
                do("send_message", conversation_id="@report", message="And now?", wait_seconds=0.05),
                tell("4711."),
            ),
            "keeps waiting": (BEGIN, LOOK, tell("She is still working.")),
            "tells the result": (BEGIN, LOOK, LOOK, WAIT, tell("Done.")),
        },
    ),
    Task(
        "not-ready-is-said",
        (
            "Ask Ada in the Report conversation for the totals. Wait for her once more if need be; if she isn't done "
            "then, leave her to it and tell me so.",
        ),
        report(TOTAL, waits=None),
        {
            "asks once": sent_once("report"),
            "stops nothing": never(use("cancel_reply")),
            "tells that it goes on": answers(STILL_GOING),
        },
        SENDS,
        good=((BEGIN, LOOK, tell("Ada is still working on it; I can look again later.")),),
        bad={
            "asks once": (
                BEGIN,
                do("send_message", conversation_id="@report", message="Are you there?", wait_seconds=0.05),
                tell("Still running."),
            ),
            "stops nothing": (
                BEGIN,
                LOOK,
                do("cancel_reply", conversation_id="@report"),
                tell("It was still running."),
            ),
            "tells that it goes on": (BEGIN, LOOK, tell("Ada has the totals now.")),
        },
    ),
    Task(
        "words-so-far",
        ("Ask Ada in the Report conversation for all regions' figures and tell me what you have after one wait.",),
        report(PARTIAL, waits=None),
        {
            "asks once": sent_once("report"),
            "tells what there is": answers("12", r"\b9\b"),
            "does not call it whole": both(answers(UNFINISHED), answers_nothing_of("those are all|that is all")),
        },
        SENDS,
        good=((BEGIN, LOOK, tell("So far: North 12, South 9. Ada is still at it, so more may come.")),),
        bad={
            "asks once": (tell("So far North 12 and South 9, still running."),),
            "tells what there is": (BEGIN, LOOK, tell("Ada is still working.")),
            "does not call it whole": (BEGIN, LOOK, tell("The figures: North 12, South 9. Those are all.")),
        },
    ),
    Task(
        "asked-from-elsewhere",
        ("I asked Ada something in the Report conversation from my phone a minute ago. What does she say?",),
        report(TOTAL, started="What are the totals?"),
        {
            "waits for the reply": called(use("wait_for_reply", conversation_id="@report")),
            "asks nothing again": nothing_sent(),
            "tells the result": answers(r"4,?711"),
        },
        good=(
            (do("list_conversations"), WAIT, tell("The total is 4711.")),
            (do("get_history", conversation_id="@report"), WAIT, tell("The total is 4711.")),
        ),
        bad={
            "waits for the reply": (do("get_history", conversation_id="@report"), tell("Nothing yet.")),
            "asks nothing again": (
                WAIT,
                do("send_message", conversation_id="@report", message="What are the totals?"),
                tell("4711."),
            ),
            "tells the result": (WAIT, tell("She has answered.")),
        },
    ),
    Task(
        "stop-it",
        (
            "Have Ada work out the totals in the Report conversation; I don't need to wait for them.",
            "I have changed my mind: stop her.",
        ),
        report(TOTAL, waits=None),
        {
            "asks once": sent_once("report"),
            "stops the run, when told to": both(
                stopped(1), never(use("cancel_reply"), turn=0), called(use("cancel_reply"), turn=1)
            ),
            "tells that it was stopped": answers(r"stop|cancel"),
        },
        SENDS | {"cancel_reply"},
        good=(
            (
                BEGIN,
                tell("Ada is at work."),
                do("cancel_reply", conversation_id="@report"),
                tell("I have stopped her."),
            ),
        ),
        bad={
            "asks once": (
                BEGIN,
                tell("At work."),
                do("cancel_reply", conversation_id="@report"),
                do("send_message", conversation_id="@report", message="Please stop.", wait_seconds=0),
                tell("Stopped."),
            ),
            "stops the run, when told to": (
                BEGIN,
                tell("At work."),
                do("send_message", conversation_id="@report", message="Please stop.", wait_seconds=0),
                tell("I told her to stop."),
            ),
            "tells that it was stopped": (
                BEGIN,
                tell("At work."),
                do("cancel_reply", conversation_id="@report"),
                tell("All right."),
            ),
        },
    ),
    Task(
        "not-ours-to-stop",
        ("Something makes Ada work in the Report conversation. Stop that.",),
        report(TOTAL, waits=None, started="Work out the totals."),
        {
            "tries": any_of(called(use("retrieve_conversation")), at_least(1, use("cancel_reply"))),
            "says nothing to her": nothing_sent(),
            "tells that it could not": answers(NOT_STOPPED),
        },
        frozenset({"cancel_reply"}),
        good=(
            (
                do("retrieve_conversation", conversation_id="@report"),
                do("cancel_reply", conversation_id="@report"),
                tell("I can't stop it: another program started it. You can stop it in Letta."),
            ),
        ),
        bad={
            "tries": (tell("I can't."),),
            "says nothing to her": (
                do("cancel_reply", conversation_id="@report"),
                do("send_message", conversation_id="@report", message="Stop.", wait_seconds=0),
                tell("I can't stop it."),
            ),
            "tells that it could not": (do("cancel_reply", conversation_id="@report"), tell("Ada has stopped.")),
        },
    ),
)
