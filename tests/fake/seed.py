"""The tools that the agents of the real rig have, as the fake's: same names, same results."""

from tests.fake.state import Json, Tool


def _fail(_: Json) -> str:
    raise ValueError("no such luck")


LOOKUP = Tool("lookup", lambda arguments: f"found {arguments.get('query', '')}")
DELETE_EVERYTHING = Tool(
    "delete_everything",
    lambda arguments: f"deleted everything {arguments.get('where', 'here')}",
    requires_approval=True,
)
FAIL = Tool("fail", _fail)
TOOLS = (LOOKUP, DELETE_EVERYTHING, FAIL)
