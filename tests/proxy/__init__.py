"""A proxy that lets things go wrong between a server and the real Letta, with the faults of `tests.fake`."""

from tests.proxy.certificate import make_certificate
from tests.proxy.server import FaultProxy

__all__ = ["FaultProxy", "make_certificate"]
