"""What this program keeps itself, because Letta has no place for it."""
