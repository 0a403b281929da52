"""The one door to the network: egress policy, deadlines, limits, and the only clients there are."""

from app.outbound.access_tokens import AccessTokens
from app.outbound.documents import DocumentFetcher
from app.outbound.policy import EgressPolicy, egress_policy
from app.outbound.token_endpoint import TokenEndpoint
from app.outbound.upstream import HttpUpstream

__all__ = ["AccessTokens", "DocumentFetcher", "EgressPolicy", "HttpUpstream", "TokenEndpoint", "egress_policy"]
