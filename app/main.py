"""Everything wired together: the only file that knows all of it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.adapters import GatewayTools, Relay, Stage, small_documents
from app.api import ControlPlane, create_api
from app.api.connect import create_connect_pages
from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.gauges import gateway_gauges, lost_audit
from app.gateway.limits import Limits
from app.gateway.reports import CallReports, MeasuredUpstream
from app.gateway.server import McpEndpoint
from app.outbound import AccessTokens, DocumentFetcher, HttpUpstream, TokenEndpoint, egress_policy
from app.outbound.vault import Vault
from app.registry import Database
from app.registry.changed_servers import ChangedServers
from app.registry.notifications import open_notifications
from app.registry.process_channel import ProcessChannel
from app.registry.records import Quota
from app.security.authentication import OPEN_PREFIX, AdminKey, Authentication, Authenticator
from app.security.callers import LOCAL, CallerLimits
from app.security.guard import Guard, rules_for
from app.security.issuer_keys import IssuerKeys
from app.security.keys import ApiKeys
from app.security.operator_secrets import OperatorSecrets
from app.security.protected_resources import ProtectedResources
from app.security.secret_keys import load_keys
from app.security.trusted_proxies import TrustedProxies
from app.services.access_files import AccessFile
from app.services.audit import Audit
from app.services.compiling import Compiler
from app.services.connect_links import ConnectLinks
from app.services.connecting import Connecting
from app.services.connections import Connections
from app.services.credentials import Credentials
from app.services.declared_servers import DeclaredServers
from app.services.events import ServerEvents
from app.services.idempotency import Idempotency
from app.services.import_description import ImportDescription
from app.services.import_turns import ImportTurns
from app.services.issuers import Issuers
from app.services.keys import Keys
from app.services.live_servers import LiveServers
from app.services.namespaces import Namespaces
from app.services.own_server import OwnServer
from app.services.refreshing import Refreshing
from app.services.revisions import Revisions
from app.services.server_files import ServerFiles
from app.services.server_headers import ServerHeaders
from app.services.servers import Servers
from app.services.shared_tokens import SharedTokens
from app.services.token_sources import TokenSources
from app.services.tools import Tools
from app.services.user_tokens import UserTokens
from app.telemetry.metrics import Metrics
from app.telemetry.requests import RequestRecords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from app.outbound.policy import EgressPolicy
    from app.security.sealing import SecretKeys
    from app.settings import Settings

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def version() -> str:
    """Give the version of this release."""
    return importlib.metadata.version("causeway")


class Application:
    """One gateway: an ASGI application, and what has to be started and stopped around it."""

    def __init__(self, settings: Settings, *, public_url: str) -> None:
        """Wire the parts; nothing is opened yet. `public_url` is where clients reach this gateway."""
        self.public_url = public_url.rstrip("/")
        self._settings = settings
        # First of all: without its key nothing is opened, made or changed.
        keys = load_keys(settings)
        policy = egress_policy(settings, self.public_url)
        self.database = Database.open(settings.registry_url, quota=_quota(settings))
        self.catalog = SnapshotCatalog()
        self._upstream = HttpUpstream(policy)
        self._notifications = open_notifications(settings.registry_url)
        # Where there is nobody to tell, there is nobody to share with.
        sharing = SharedTokens(self.database, keys) if self._notifications else None
        endpoint = TokenEndpoint(policy)
        self._tokens = AccessTokens(endpoint, sharing=sharing)
        events = ServerEvents()
        self._vault = _vault(settings, policy)
        secrets = OperatorSecrets(settings, self._vault)
        self.credentials = Credentials(self.database, keys, secrets, events)
        links = ConnectLinks(keys, self.public_url)
        self._user_tokens = UserTokens(self.database, keys, endpoint, links=links)
        tokens = TokenSources(self._tokens, self._user_tokens)
        self.audit = Audit(self.database, days=settings.audit_days)
        metrics = Metrics(constant={"process": str(os.getpid())} if settings.workers > 1 else None)
        self._calls = ToolCalls(
            MeasuredUpstream(self._upstream, metrics),
            deadline=settings.call_timeout,
            credentials=self.credentials,
            tokens=tokens,
            limits=_limits(settings),
            log=CallReports(metrics, self.audit if settings.audit_calls else None),
        )
        self.connections = Connections(self.database, self._user_tokens)
        self._connecting = Connecting(
            self.database, keys, self.credentials, endpoint, links=links, tokens=self._user_tokens
        )
        self._connect = create_connect_pages(self._connecting, public_url=self.public_url)
        self.tools = Tools(self.database, events)
        self.live = LiveServers(
            self.database,
            self.tools,
            stage=Stage(self.catalog, self.credentials, tokens),
            changed=ChangedServers(self._notifications),
            files=ServerFiles(settings.data_dir, settings.registry_url) if self._notifications else None,
        )
        events.listen(self.live.refresh)
        api_keys = ApiKeys()
        self.keys = Keys(self.database, api_keys, file=self._access_file("keys", keys))
        compiler = Compiler(metrics.imported)
        self.servers = Servers(self.database, compiler, events)
        fetcher = DocumentFetcher(policy)
        turns = ImportTurns(settings.namespace_imports)
        self.importer = ImportDescription(self.database, compiler, fetcher, events, turns=turns)
        self.refreshing = Refreshing(self.database, self.importer, fetcher)
        self._issuer_keys = IssuerKeys(small_documents(policy))
        issuers = Issuers(self.database, file=self._access_file("issuers", keys))
        resources = ProtectedResources(issuers, self._issuer_keys, public_url=self.public_url)
        self.declared = DeclaredServers(self.database, self.importer, self.credentials, events)
        self._api = create_api(
            ControlPlane(
                database=self.database,
                importer=self.importer,
                servers=self.servers,
                revisions=Revisions(self.database, events),
                declared=self.declared,
                refreshing=self.refreshing,
                tools=self.tools,
                credentials=self.credentials,
                headers=ServerHeaders(self.database, keys, secrets, events, credentials=self.credentials),
                connections=self.connections,
                namespaces=Namespaces(self.database, events, self.keys, secrets=keys),
                keys=self.keys,
                idempotency=Idempotency(self.database, keys),
                issuers=issuers,
                metrics=metrics,
                audit=self.audit,
                resources=resources,
                tool_port=GatewayTools(self.catalog, self._calls, self.credentials),
                public_url=self.public_url,
                has_own_url=settings.public_url is not None,
            ),
            version=version(),
        )
        self._channel = ProcessChannel(self._notifications) if self._notifications else None
        self._mcp = McpEndpoint(
            self.catalog,
            self._calls,
            public_path=urlsplit(self.public_url).path,
            relay=None if self._channel is None else Relay(self._channel),
            scopes=resources,
            keys=keys,
        )
        for gauge in gateway_gauges(self.catalog, self._upstream, self._mcp):
            metrics.watch(gauge)
        self.keys.listen(self._mcp.end_streams_of)
        metrics.watch(lost_audit(lambda: self.audit.lost))
        rules = rules_for(settings.host, self.public_url, has_keys=not settings.is_local)
        guard = Guard(self._route, rules, _authentication(settings, api_keys, resources))
        guarded = TrustedProxies(guard, settings.trusted_proxies) if settings.trusted_proxies else guard
        self._recorded = RequestRecords(guarded, trusted=settings.trusted_proxies)

    def _access_file(self, name: str, keys: SecretKeys) -> AccessFile | None:
        """Give a file for starts without the database, where it is one that can be away."""
        if self._notifications is None:
            return None
        return AccessFile(self._settings.data_dir, self._settings.registry_url, name, keys=keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._recorded(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/mcp/"):
            await self._mcp(scope, receive, send)
        elif scope["path"].startswith(OPEN_PREFIX):
            await self._connect(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    def end_streams(self) -> None:
        """End the streams that clients keep open: a server that waits for its connections would wait for them."""
        self._mcp.end_streams()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load every server, and keep them up to date; close everything at the end.

        Where the database is away, what it had last is served until it is back.
        """
        following: list[asyncio.Task[None]] = []
        try:
            if self._notifications is not None:
                await self._notifications.open()
            await self.live.start(self._prepare)
            following.append(asyncio.create_task(self.live.follow(self._prepare)))
            following.append(asyncio.create_task(self.refreshing.follow()))
            if self._vault is not None:
                following.append(asyncio.create_task(self._reread_secrets()))
            async with self.keys.following(), self.audit.following():
                yield
        finally:
            for each in following:
                each.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            await self._close()

    async def _prepare(self) -> None:
        """Bring the database up to date, with the namespace and the server that every gateway has."""
        await self.database.migrate()
        if self._settings.is_local:
            own = OwnServer(self.database, self.importer, self.servers)
            await own.publish(self._api.openapi(), base_url=self.public_url)
        else:
            async with self.database.transaction() as registry:
                await registry.namespaces.ensure("default")

    async def _reread_secrets(self) -> None:
        while True:
            await asyncio.sleep(self._settings.vault_ttl)
            await self.credentials.refresh()

    async def _close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
        if self._notifications is not None:
            await self._notifications.close()
        await self._issuer_keys.close()
        if self._vault is not None:
            await self._vault.close()
        await self._user_tokens.close()
        await self._tokens.close()
        await self._upstream.close()
        await self.database.close()


def _quota(settings: Settings) -> Quota:
    return Quota(settings.namespace_servers, settings.namespace_tools, settings.namespace_document_bytes)


def _limits(settings: Settings) -> Limits:
    return Limits(CallerLimits(settings.key_calls_per_minute, settings.key_concurrent_calls, settings.key_streams))


def _authentication(settings: Settings, api_keys: ApiKeys, resources: ProtectedResources) -> Authentication:
    if settings.is_local:
        return Authentication([api_keys], otherwise=LOCAL)
    admin: list[Authenticator] = [AdminKey(settings.admin_key.get_secret_value())] if settings.admin_key else []
    return Authentication([api_keys, *admin, resources], challenge=resources.challenge)


def _vault(settings: Settings, policy: EgressPolicy) -> Vault | None:
    if settings.vault_address is None:
        return None
    return Vault(policy, settings.vault_address, settings.read_vault_token, ttl=settings.vault_ttl)


def create_app(settings: Settings) -> Application:
    """Build the gateway for an ASGI server that manages its own socket."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Application(settings, public_url=settings.public_url or f"http://{host}:{settings.port}")
