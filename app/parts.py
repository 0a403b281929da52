"""The parts of a gateway, each wired for itself: what it is made of, and what of it has to be closed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.adapters import Relay, small_documents
from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.gauges import gateway_gauges, redis_gauges
from app.gateway.leases import Leases
from app.gateway.limits import Limits
from app.gateway.open_streams import StreamBounds
from app.gateway.server import McpEndpoint
from app.gateway.traced import TracedUpstream
from app.outbound import AccessTokens, DocumentFetcher, HttpUpstream, TokenEndpoint, egress_policy
from app.outbound.redis_counts import LEASE_SECONDS, RedisCounts
from app.outbound.vault import Vault
from app.registry import Database
from app.registry.notifications import open_notifications
from app.registry.process_channel import ProcessChannel
from app.registry.records import Quota
from app.security.attempts import Attempts
from app.security.authentication import AdminKey, Authentication, Authenticator
from app.security.callers import LOCAL, CallerLimits
from app.security.issuer_keys import IssuerKeys
from app.security.keys import ApiKeys
from app.security.operator_secrets import OperatorSecrets
from app.security.protected_resources import ProtectedResources
from app.security.secret_keys import load_keys
from app.services.access_files import AccessFile
from app.services.compiling import Compiler
from app.services.connect_links import ConnectLinks
from app.services.connecting import Connecting
from app.services.connections import Connections
from app.services.credentials import Credentials
from app.services.declared_servers import DeclaredServers
from app.services.events import ServerEvents
from app.services.import_description import ImportDescription
from app.services.import_turns import ImportTurns
from app.services.issuers import Issuers
from app.services.keys import Keys
from app.services.refreshing import Refreshing
from app.services.retention import Retention
from app.services.revisions import Revisions
from app.services.revoking import Revocations
from app.services.server_headers import ServerHeaders
from app.services.servers import Servers
from app.services.setup import Setup
from app.services.shared_tokens import SharedTokens
from app.services.spent_states import SpentStates
from app.services.token_sources import TokenSources
from app.services.tools import Tools
from app.services.traced_imports import TracedImports
from app.services.user_tokens import UserTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.gateway.reports import CallReports
    from app.settings import Settings
    from app.telemetry.metrics import Gauge
    from app.telemetry.traces import Traces


class Foundation:
    """What everything else stands on: the settings, the keys, the database and the rules of the way out."""

    def __init__(self, settings: Settings, *, public_url: str, traces: Traces | None) -> None:
        """Read the keys and open the database, which connects when it is first asked."""
        self.settings = settings
        self.traces = traces
        self.public_url = public_url
        # First of all: without its key nothing is opened, made or changed.
        self.keys = load_keys(settings)
        self.policy = egress_policy(settings, public_url)
        quota = Quota(settings.namespace_servers, settings.namespace_tools, settings.namespace_document_bytes)
        self.database = Database.open(settings.registry_url, quota=quota)
        self.notifications = open_notifications(settings.registry_url)
        self.events = ServerEvents()

    def access_file(self, name: str) -> AccessFile | None:
        """Give a file for starts without the database, where it is one that can be away."""
        if self.notifications is None:
            return None
        return AccessFile(self.settings.data_dir, self.settings.registry_url, name, keys=self.keys)

    async def close(self) -> None:
        """Let go of the database."""
        if self.notifications is not None:
            await self.notifications.close()
        await self.database.close()
        if self.traces is not None:
            await self.traces.close()


class CallSecrets:
    """What calls are made with: credentials, header fields, and the tokens got for them."""

    def __init__(self, base: Foundation) -> None:
        """Wire it; no token is asked for before a call needs it."""
        settings, database, keys = base.settings, base.database, base.keys
        endpoint = TokenEndpoint(base.policy)
        # Where there is nobody to tell, there is nobody to share with.
        sharing = SharedTokens(database, keys) if base.notifications else None
        self._access_tokens = AccessTokens(endpoint, sharing=sharing)
        self.vault = None
        if settings.vault_address is not None:
            self.vault = Vault(base.policy, settings.vault_address, settings.read_vault_token, ttl=settings.vault_ttl)
        secrets = OperatorSecrets(settings, self.vault)
        self.credentials = Credentials(database, keys, secrets, base.events)
        self.headers = ServerHeaders(database, keys, secrets, base.events, credentials=self.credentials)
        links = ConnectLinks(keys, base.public_url)
        self.user_tokens = UserTokens(database, keys, endpoint, links=links)
        self.tokens = TokenSources(self._access_tokens, self.user_tokens)
        revocations = Revocations(database, keys, self.credentials, endpoint=endpoint)
        self.connections = Connections(database, self.user_tokens, revocations)
        self.connecting = Connecting(database, keys, self.credentials, endpoint, links=links, tokens=self.user_tokens)

    async def close(self) -> None:
        """End what is under way with those who give secrets and tokens."""
        if self.vault is not None:
            await self.vault.close()
        await self.user_tokens.close()
        await self._access_tokens.close()


class Access:
    """Who may come in: API keys, the issuers of access tokens, and whom each request is from."""

    def __init__(self, base: Foundation) -> None:
        """Wire it; keys and issuers are read when the gateway starts."""
        settings = base.settings
        api_keys = ApiKeys()
        attempts = Attempts()
        self.keys = Keys(base.database, api_keys, file=base.access_file("keys"))
        has_other_way = settings.is_local or settings.admin_key is not None
        self.setup = Setup(base.database, self.keys, attempts, is_open=not has_other_way)
        self._issuer_keys = IssuerKeys(small_documents(base.policy))
        self.issuers = Issuers(base.database, file=base.access_file("issuers"))
        self.resources = ProtectedResources(self.issuers, self._issuer_keys, public_url=base.public_url)
        if settings.is_local:
            self.authentication = Authentication([api_keys], otherwise=LOCAL)
        else:
            key = settings.admin_key
            admin: list[Authenticator] = [AdminKey(key.get_secret_value(), attempts)] if key else []
            known = [api_keys, *admin, self.resources]
            self.authentication = Authentication(known, challenge=self.resources.challenge)

    async def close(self) -> None:
        """End what is asked of issuers."""
        await self._issuer_keys.close()


class Publishing:
    """How descriptions become servers and revisions."""

    def __init__(self, base: Foundation, secrets: CallSecrets, *, imported: Callable[[str, float], None]) -> None:
        """Wire it; `imported` is told the outcome of each compilation and the seconds it took."""
        database, events = base.database, base.events
        compiler = Compiler(imported)
        fetcher = DocumentFetcher(base.policy)
        turns = ImportTurns(base.settings.namespace_imports, in_all=base.settings.imports)
        self.tools = Tools(database, events)
        self.servers = Servers(database, compiler, events)
        self.importer = (
            ImportDescription(database, compiler, fetcher, events, turns=turns)
            if base.traces is None
            else TracedImports(database, compiler, fetcher, events, turns=turns, traces=base.traces)
        )
        self.refreshing = Refreshing(database, self.importer, fetcher)
        self.revisions = Revisions(database, events)
        self.retention = Retention(database, count=base.settings.revisions_kept, days=base.settings.revisions_days)
        self.declared = DeclaredServers(
            database, self.importer, events, credentials=secrets.credentials, headers=secrets.headers
        )


class CallCounting:
    """The limits of callers, counted in this process, and by all instances where the operator has a Redis for that."""

    def __init__(self, settings: Settings) -> None:
        """Wire it; nothing is asked before it follows."""
        url = settings.redis_url
        self.redis = RedisCounts(url.get_secret_value(), timeout=settings.redis_timeout) if url else None
        self._leases = Leases(self.redis, seconds=LEASE_SECONDS) if self.redis else None
        most = CallerLimits(settings.key_calls_per_minute, settings.key_concurrent_calls, settings.key_streams)
        self.limits = Limits(most, leases=self._leases)

    def gauges(self) -> tuple[Gauge, ...]:
        """Give what metrics tell of it."""
        return redis_gauges(self.redis) if self.redis else ()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Count together with the others, as long as the block runs."""
        if self.redis is None or self._leases is None:
            yield
            return
        async with self.redis.following(), self._leases.following():
            yield


class Serving:
    """The data plane: what is served, the calls, and the MCP endpoint."""

    def __init__(self, base: Foundation, secrets: CallSecrets, access: Access, *, reports: CallReports) -> None:
        """Wire it; nothing is served before a snapshot is put into the catalog."""
        settings = base.settings
        self.catalog = SnapshotCatalog()
        self._upstream = HttpUpstream(base.policy)
        self.counting = CallCounting(settings)
        upstream = reports.upstream(self._upstream)
        if base.traces is not None:
            upstream = TracedUpstream(upstream, base.traces, is_told=settings.trace_upstream)
        self.calls = ToolCalls(
            upstream,
            deadline=settings.call_timeout,
            credentials=secrets.credentials,
            tokens=secrets.tokens,
            limits=self.counting.limits,
            log=reports,
        )
        self._channel = ProcessChannel(base.notifications) if base.notifications else None
        self.endpoint = McpEndpoint(
            self.catalog,
            self.calls,
            public_path=urlsplit(base.public_url).path,
            streams=StreamBounds(of_namespace=settings.namespace_streams, idle=settings.stream_idle),
            relay=None if self._channel is None else Relay(self._channel),
            scopes=access.resources,
            keys=base.keys,
            traces=base.traces,
            spent=SpentStates(base.database),
        )
        access.keys.listen(self.endpoint.end_streams_of)

    def gauges(self) -> tuple[Gauge, ...]:
        """Give what metrics tell of it."""
        return (*gateway_gauges(self.catalog, self._upstream, self.endpoint), *self.counting.gauges())

    async def close(self) -> None:
        """Close the connections to the APIs and to the other processes."""
        if self._channel is not None:
            await self._channel.close()
        await self._upstream.close()
