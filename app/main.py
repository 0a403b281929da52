"""Everything wired together: the only file that knows all of it."""

from __future__ import annotations

import contextlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

from app.adapters import GatewayTools, Stage
from app.api import ControlPlane, create_api, create_metrics_api
from app.api.connect import create_connect_pages
from app.gateway.gauges import lost_audit
from app.gateway.reports import CallReports
from app.gateway.traced import TracedReports
from app.parts import Access, CallSecrets, Foundation, Publishing, Serving
from app.registry.changed_servers import ChangedServers
from app.security.authentication import OPEN_PREFIX
from app.security.guard import Guard, rules_for
from app.security.trusted_proxies import TrustedProxies
from app.services.audit import Audit
from app.services.idempotency import Idempotency
from app.services.live_servers import LiveServers
from app.services.namespaces import Namespaces
from app.services.own_server import OwnServer
from app.services.repeating import alongside, repeated
from app.services.server_files import ServerFiles
from app.telemetry.metrics import Metrics
from app.telemetry.requests import RequestRecords
from app.telemetry.traced_requests import TracedRequests
from app.telemetry.traces import open_traces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from app.settings import Settings
    from app.telemetry.metrics import Reading

    ReadMetrics = Callable[[], Awaitable[Reading | None]]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def version() -> str:
    """Give the version of this release."""
    return importlib.metadata.version("causeway")


class Application:
    """One gateway: an ASGI application, and what has to be started and stopped around it."""

    def __init__(self, settings: Settings, *, public_url: str, read_metrics: ReadMetrics | None = None) -> None:
        """Wire the parts; nothing is opened yet. `public_url` is where clients reach this gateway.

        Where it has several processes, `read_metrics` gives what all of them have counted.
        """
        self._settings = settings
        self.public_url = public_url.rstrip("/")
        traces = open_traces(settings, version())
        self._base = Foundation(settings, public_url=self.public_url, traces=traces)
        self.database = self._base.database
        self.secrets = CallSecrets(self._base)
        self.access = Access(self._base)
        self.audit = Audit(self.database, days=settings.audit_days)
        self.metrics = metrics = Metrics()
        audit = self.audit if settings.audit_calls else None
        reports = CallReports(metrics, audit) if traces is None else TracedReports(metrics, audit, traces)
        self.publishing = Publishing(self._base, self.secrets, imported=metrics.imported)
        self.serving = Serving(self._base, self.secrets, self.access, metrics=metrics, reports=reports)
        self.catalog = self.serving.catalog
        self.live = self._live_servers()
        control = self._control_plane(read_metrics or self._read_metrics)
        self._api = create_api(control, version=version(), has_metrics=settings.metrics_port is None)
        self._connect = create_connect_pages(self.secrets.connecting, public_url=self.public_url)
        for gauge in self.serving.gauges():
            metrics.watch(gauge)
        metrics.watch(lost_audit(lambda: self.audit.lost))
        has_keys = not settings.is_local
        rules = rules_for(settings.host, self.public_url, has_keys=has_keys)
        guard = Guard(self._route, rules, self.access.authentication)
        guarded = TrustedProxies(guard, settings.trusted_proxies) if settings.trusted_proxies else guard
        traced = guarded if traces is None else TracedRequests(guarded, traces)
        self._recorded = RequestRecords(traced, trusted=settings.trusted_proxies)
        # Its name is not told: where there are keys, they are what protects, else it is known on this machine.
        rules = rules_for(settings.metrics_host, "", has_keys=has_keys)
        self.metrics_endpoint = RequestRecords(Guard(create_metrics_api(control), rules, self.access.authentication))

    def _live_servers(self) -> LiveServers:
        settings, notifications = self._settings, self._base.notifications
        live = LiveServers(
            self.database,
            self.publishing.tools,
            stage=Stage(self.catalog, self.secrets.credentials, self.secrets.tokens),
            changed=ChangedServers(notifications),
            files=ServerFiles(settings.data_dir, settings.registry_url) if notifications else None,
        )
        self._base.events.listen(live.refresh)
        return live

    async def _read_metrics(self) -> Reading:
        return self.metrics.read()

    def _control_plane(self, read_metrics: ReadMetrics) -> ControlPlane:
        base, secrets, access, publishing = self._base, self.secrets, self.access, self.publishing
        return ControlPlane(
            database=self.database,
            importer=publishing.importer,
            servers=publishing.servers,
            revisions=publishing.revisions,
            declared=publishing.declared,
            refreshing=publishing.refreshing,
            tools=publishing.tools,
            credentials=secrets.credentials,
            headers=secrets.headers,
            connections=secrets.connections,
            namespaces=Namespaces(self.database, base.events, access.keys, secrets=base.keys),
            keys=access.keys,
            setup=access.setup,
            idempotency=Idempotency(self.database, base.keys),
            issuers=access.issuers,
            read_metrics=read_metrics,
            audit=self.audit,
            resources=access.resources,
            tool_port=GatewayTools(self.catalog, self.serving.calls, secrets.credentials),
            public_url=self.public_url,
            has_own_url=self._settings.public_url is not None,
            redis=self.serving.counting.redis,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._recorded(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/mcp/"):
            await self.serving.endpoint(scope, receive, send)
        elif scope["path"].startswith(OPEN_PREFIX):
            await self._connect(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    def end_streams(self) -> None:
        """End the streams that clients keep open: a server that waits for its connections would wait for them."""
        self.serving.endpoint.end_streams()

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
        notifications, vault = self._base.notifications, self.secrets.vault
        try:
            if notifications is not None:
                await notifications.open()
            await self.live.start(self._prepare)
            following = [self.live.follow(self._prepare), self.publishing.refreshing.follow()]
            if vault is not None:
                turn = self.secrets.credentials.refresh
                following.append(repeated(turn, seconds=self._settings.vault_ttl, name="reading secrets again"))
            counting, keys = self.serving.counting.following(), self.access.keys.following()
            async with alongside(*following), counting, keys, self.audit.following():
                yield
        finally:
            await self.serving.close()
            await self.access.close()
            await self.secrets.close()
            await self._base.close()

    async def _prepare(self) -> None:
        """Bring the database up to date, with the namespace and the server that every gateway has."""
        await self.database.migrate()
        if self._settings.is_local:
            own = OwnServer(self.database, self.publishing.importer, self.publishing.servers)
            await own.publish(self._api.openapi(), base_url=self.public_url)
        else:
            async with self.database.transaction() as registry:
                await registry.namespaces.ensure("default")


def create_app(settings: Settings) -> Application:
    """Build the gateway for an ASGI server that manages its own socket."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Application(settings, public_url=settings.public_url or f"http://{host}:{settings.port}")
