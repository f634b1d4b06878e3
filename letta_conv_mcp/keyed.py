"""The one conversation of a key: found again, or made at most once, however many ask and whoever is killed meanwhile.

Before Letta is asked to make one, that is written down. So when the answer is lost, or this process is killed, the
next to ask knows that there may be one, and looks for it by its summary, which is the key.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import anyio

from letta_conv_mcp import errors
from letta_conv_mcp.letta.port import ConversationQuery, Letta, NewConversation
from letta_conv_mcp.state.keys import Claim, Keys, Slot
from letta_conv_mcp.views import Conversation

Maker: TypeAlias = Callable[[NewConversation], Awaitable[Conversation]]

UNSEEN_SECONDS = 30.0
"""How long after a creation of unclear fate its conversation is looked for before it counts as never made. A busy Letta
lets a request wait."""
LOOK_SECONDS = 1.0
PAGE = 100

_ARCHIVED = "It is archived: call update_conversation with archived false to bring it back."
_MADE_ANEW = "The conversation that this key had was deleted in Letta, so this is a new and empty one."
_BROKEN_OFF = "An earlier call had made it and broke off before it could say so."


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A key's conversation.

    Attributes:
        conversation: it.
        created: whether nobody was given it before.
        note: what is unusual about it.
    """

    conversation: Conversation
    created: bool
    note: str | None = None


async def open_keyed(letta: Letta, keys: Keys, slot: Slot, make: Maker) -> Opened:
    """The conversation of a slot, which is made where there is none.

    Args:
        letta: where it is.
        keys: what is known of slots.
        slot: the key, of an agent of a Letta.
        make: makes a conversation, as the port does.

    Raises:
        KeyBusy: another call is making it, and takes too long.
        OpeningUnclear: it may or may not have been made now.
        StateUnusable: the map can't be read or written.
        LettaFailure: Letta can't be asked, or makes none.
    """
    if (opened := await _known(letta, await keys.find(slot))) is not None:
        return opened
    async with keys.held(slot):
        # Whoever held it before may have made it.
        claim = await keys.find(slot)
        if (opened := await _known(letta, claim)) is not None:
            return opened
        if claim is None or claim.conversation_id is not None:
            made = await _make(letta, keys, slot, make)
            return Opened(conversation=made, created=True, note=_MADE_ANEW if claim else None)
        if (made := await _begun(letta, slot, claim)) is not None:
            await keys.keep(slot, Claim(conversation_id=made.id, begun_at=claim.begun_at))
            return Opened(conversation=made, created=True, note=_BROKEN_OFF)
        return Opened(conversation=await _make(letta, keys, slot, make), created=True)


async def _known(letta: Letta, claim: Claim | None) -> Opened | None:
    if claim is None or claim.conversation_id is None:
        return None
    try:
        conversation = await letta.conversation(claim.conversation_id)
    except errors.ConversationNotFound:
        return None
    return Opened(conversation=conversation, created=False, note=_ARCHIVED if conversation.archived else None)


async def _make(letta: Letta, keys: Keys, slot: Slot, make: Maker) -> Conversation:
    # Not each Letta lists them by when they were made.
    newest = max(await _page(letta, slot.agent_id, None, PAGE), key=lambda each: each.created_at or "", default=None)
    begun = Claim(
        conversation_id=None,
        begun_at=time.time(),
        newest_id=newest.id if newest else None,
        # By Letta's clock. Where that isn't the newest's, what is made now is younger all the same.
        newest_date=newest.created_at if newest else None,
    )
    await keys.keep(slot, begun)
    try:
        made = await make(NewConversation(agent_id=slot.agent_id, summary=slot.key))
    except errors.OutcomeUnknown:
        raise errors.OpeningUnclear(slot.key) from None
    except errors.LettaFailure:
        # Certainly nothing was made.
        await keys.forget(slot)
        raise
    await keys.keep(slot, Claim(conversation_id=made.id, begun_at=begun.begun_at))
    return made


async def _page(letta: Letta, agent_id: str, after: str | None, limit: int) -> list[Conversation]:
    try:
        query = ConversationQuery(agent_id=agent_id, order_by="created_at")
        return await letta.conversations(query, after=after, limit=limit)
    except errors.NotSupported:
        return await letta.conversations(ConversationQuery(agent_id=agent_id), after=after, limit=limit)


async def _begun(letta: Letta, slot: Slot, claim: Claim) -> Conversation | None:
    """What came of a creation that nobody knows the end of; None where it was surely too long ago to come still."""
    left = claim.begun_at + UNSEEN_SECONDS - time.time()
    # A clock that was set back must not make anybody wait for days.
    until = anyio.current_time() + min(max(left, 0), UNSEEN_SECONDS)
    while True:
        is_last = anyio.current_time() >= until
        if (made := await _listed(letta, slot, claim)) is not None or is_last:
            return made
        await anyio.sleep(LOOK_SECONDS)


async def _listed(letta: Letta, slot: Slot, claim: Claim) -> Conversation | None:
    """The agent's first conversation since then that has the key for its summary."""
    found: list[Conversation] = []
    after = None
    while page := await _page(letta, slot.agent_id, after, PAGE):
        found += [each for each in page if each.summary == slot.key and _is_newer(each, claim)]
        after = page[-1].id
    return min(found, key=lambda each: each.created_at or "", default=None)


def _is_newer(conversation: Conversation, claim: Claim) -> bool:
    made, since = _moment(conversation.created_at), _moment(claim.newest_date)
    # Dates may be whole seconds.
    return conversation.id != claim.newest_id and (made is None or since is None or made >= since)


def _moment(date: str | None) -> datetime | None:
    if date is None:
        return None
    moment = datetime.fromisoformat(date)
    # A date without a zone is UTC on 0.16.8.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
