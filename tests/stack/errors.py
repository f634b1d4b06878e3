"""The one error of the stack: something it needs is missing or in the way, said in words for the person."""


class StackError(Exception):
    """What happened, and the next move."""
