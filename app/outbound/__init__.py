"""The one door to the network: egress policy, deadlines, limits, and the only clients there are."""

from app.outbound.documents import DocumentFetcher
from app.outbound.policy import EgressPolicy
from app.outbound.upstream import HttpUpstream

__all__ = ["DocumentFetcher", "EgressPolicy", "HttpUpstream"]
