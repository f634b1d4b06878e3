"""Which tools of the catalog are offered: what isn't offered doesn't exist for a host."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from mcp_types import InputRequiredResult, ToolAnnotations

from letta_conv_mcp.errors import SettingsError
from letta_conv_mcp.settings import DEFAULT_TOOLSETS, Settings, Toolset
from letta_conv_mcp.views import View


@dataclass(frozen=True)
class CatalogEntry:
    """One tool that can be offered.

    Attributes:
        function: an async function from arguments and a Context to a view, or to a question for the person; its
            docstring is shown to models.
        title: the name for people.
        toolset: the group it is chosen by.
        annotations: what a host may assume of it.
        needs_rest: whether no App Server can do it.
        may_be_long: whether its result may be longer than hosts take by themselves, when asked for in full.
        makes_agents: whether it makes agents, which makes no sense where only certain ones can be reached.
    """

    function: Callable[..., Awaitable[View | InputRequiredResult]]
    title: str
    toolset: Toolset
    annotations: ToolAnnotations
    needs_rest: bool = False
    makes_agents: bool = False
    may_be_long: bool = False

    @property
    def name(self) -> str:
        """The tool's name: the function's."""
        return self.function.__name__


def selected(catalog: Collection[CatalogEntry], settings: Settings) -> list[CatalogEntry]:
    """What the settings choose, in the catalog's order.

    Toolsets and single tools add up, exclusions take away from both, and read-only wins over all.

    Raises:
        SettingsError: a tool is named that doesn't exist, or nothing is left.
    """
    for field, names in (("tools", settings.tools), ("exclude-tools", settings.exclude_tools)):
        _require_known(catalog, field, names)
    toolsets = settings.toolsets
    if toolsets is None:
        toolsets = () if settings.tools else DEFAULT_TOOLSETS
    chosen = [
        entry
        for entry in catalog
        if (entry.toolset in toolsets or entry.name in settings.tools)
        and entry.name not in settings.exclude_tools
        and (entry.annotations.read_only_hint or not settings.read_only)
        and _is_possible(entry, settings)
    ]
    if not chosen:
        raise SettingsError("No tool is left to offer. Change --toolsets, --tools, --exclude-tools or --read-only.")
    return chosen


def _is_possible(entry: CatalogEntry, settings: Settings) -> bool:
    if entry.needs_rest and (settings.is_app_server or settings.is_local):
        return False
    return not (entry.makes_agents and settings.agents)


def _require_known(catalog: Collection[CatalogEntry], field: str, names: Collection[str]) -> None:
    known = [entry.name for entry in catalog]
    for name in names:
        if name not in known:
            raise SettingsError(f"--{field} names no tool of this server with {name!r}. There are: {', '.join(known)}.")
