"""The fault proxy as a real HTTP server in a thread of the test's process, as the fake Letta is."""

from tests.fake.faults import Fault
from tests.fake.holds import Holds, Watch
from tests.fake.serving import Certificate, GatedServer
from tests.proxy.forward import Forward


class FaultProxy(GatedServer):
    """`with FaultProxy(letta.base_url) as proxy: … proxy.base_url`. Without a fault it changes nothing.

    Args:
        upstream_url: the Letta to which requests are passed on.
        certificate: speaks TLS with it; Letta itself is spoken to without.
    """

    def __init__(self, upstream_url: str, *, certificate: Certificate | None = None) -> None:
        watch = Watch()
        self._forward = Forward(upstream_url)
        super().__init__("fault proxy", self._forward, watch, Holds(watch), certificate=certificate)

    def fail_reads(self, conversation_id: str, path: str, *faults: Fault, times: int | None = 1) -> None:
        """The same for requests about the runs of one conversation: `fail_reads(id, "*/stream", Close())`."""
        self.fail("*", f"/v1/runs/{path}", *faults, times=times).is_about = lambda seen: (
            conversation_id in seen.query.get("conversation_id", [])
            or self._forward.conversations.get(seen.path.split("/")[3]) == conversation_id
        )

    async def on_stop(self) -> None:
        await self._forward.aclose()
