"""A span for each description that is fetched and compiled: an import, or a look at what one would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.services.import_description import ImportDescription, ImportOptions, Source

if TYPE_CHECKING:
    from app.registry.records import NewRevision
    from app.telemetry.traces import Traces


class TracedImports(ImportDescription):
    """`ImportDescription` with spans; it stands in its place only where traces are on."""

    def __init__(self, *parts: Any, traces: Traces, **further: Any) -> None:
        """Make the spans with `traces`; all else is what `ImportDescription` takes."""
        super().__init__(*parts, **further)
        self._traces = traces

    async def compiled(
        self, namespace: str, source: Source, options: ImportOptions, *, name: str | None
    ) -> NewRevision:
        """Compile as `ImportDescription` does; the URL of a document is not told, because it may hold a credential."""
        attributes = {"causeway.namespace": namespace, "causeway.source": "url" if source.url else "document"}
        if name:
            attributes["causeway.server"] = name
        with self._traces.span("import", "INTERNAL", attributes) as span:
            revision = await super().compiled(namespace, source, options, name=name)
            span.set_attributes({f"causeway.{each}": count for each, count in revision.counts.items()})
            return revision
