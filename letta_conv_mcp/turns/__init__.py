"""One message and what becomes of it. Nothing here knows how a Letta is reached."""
