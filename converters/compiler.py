"""The compile path on one page: bytes in, tools and diagnostics out.

    bytes -> documents.parse -> references.bundle -> normalization.normalize -> operations -> naming -> tools

Nothing here reads a file or a host: `references.bundle` asks for further documents, and `compile_description` answers
from those it was given.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from converters import (
    documents,
    extensions,
    input_schemas,
    json_schema,
    naming,
    normalization,
    operations,
    output_schemas,
    references,
    texts,
)
from converters import overlays as overlaying
from converters.diagnostics import Diagnostic, DiagnosticLog, Place, Severity
from converters.errors import DescriptionError
from converters.limits import DEFAULT_LIMITS
from converters.security import declared_schemes
from converters.tools import ToolCompiler

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from converters.documents import Document
    from converters.limits import Limits
    from converters.references import Description
    from converters.tool_definitions import ToolDefinition

COMPILER_VERSION: Final = "2"
"""Changes whenever the same description may compile to different tools."""

MAX_OPERATIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Operations declared, tools made of them, and operations skipped; `operations == tools + skipped`."""

    operations: int
    tools: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Compilation:
    """What one description compiles to; equal input and compiler version give an equal compilation.

    `security_schemes` holds the declared Security Scheme Objects by name, `instructions` what the description says
    of the API as a whole, `missing` the documents that references need and that were not at hand.
    """

    title: str
    version: str
    openapi: str
    instructions: str
    digest: str
    tools: tuple[ToolDefinition, ...]
    diagnostics: tuple[Diagnostic, ...]
    counts: Counts
    security_schemes: Mapping[str, Any]
    missing: tuple[str, ...] = ()


def compile_description(
    raw: bytes,
    *,
    uri: str = "",
    server_name: str = "",
    further: Mapping[str, bytes] | None = None,
    overlays: Sequence[bytes] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Compilation:
    """Compile one OpenAPI description.

    `uri` is where the document came from (relative references and servers resolve against it), `server_name` what
    tool names must leave room for, `further` the other documents of a split description by URI, `overlays` the OpenAPI
    Overlay documents to apply, in order.

    Raises:
        DescriptionError: when the description cannot be used at all.

    """
    entry = documents.parse(raw, uri=uri, limits=limits)
    try:
        return _compile(entry, server_name or None, further or {}, overlays=overlays, limits=limits)
    except DescriptionError as error:
        if error.pointer and error.line is None and not error.pointer.startswith(f"/{references.MOUNT}/"):
            error.line = entry.lines_of([error.pointer])[error.pointer]
        raise


def _compile(
    entry: Document,
    server_name: str | None,
    further: Mapping[str, bytes],
    *,
    overlays: Sequence[bytes],
    limits: Limits,
) -> Compilation:
    log = DiagnosticLog()
    for pointer in entry.replaced_text:
        log.report("text_replaced", pointer, "The text held half of a surrogate pair, which is not Unicode text.")
    for pointer in entry.cut_cycles:
        log.report("extension_cycle_cut", pointer, "The extension holds itself by a YAML alias; null took its place.")
    normalization.version_of(entry.root)
    for overlay in overlays:
        overlaying.apply(entry.root, documents.parse(overlay, limits=limits).root, log)
    whole, read = _bundled(entry, further, limits)
    description = normalization.normalize(whole, log)
    _check_paths(description)
    found, declared = operations.read_operations(description, log)
    found = extensions.select(found, description.root.get("x-mcp"), log)
    if declared > MAX_OPERATIONS:
        raise DescriptionError(
            "spec_too_many_operations",
            f"The description has {declared:,} operations; the limit is {MAX_OPERATIONS:,}.",
            pointer="/paths",
            remedy="Split the description.",
        )
    title = _title(description, log)
    budget = naming.budget_for(server_name or naming.server_name(title))
    names = naming.tool_names(found, budget)
    compiler = ToolCompiler(description, log)
    tools = tuple(compiler.define(operation, name) for operation, name in zip(found, names, strict=True))
    tools = output_schemas.within_list_budget(_self_contained(tools, log), log)
    _report_surroundings(description, tools, declared, log)
    return Compilation(
        title=title,
        version=str(_info(description).get("version", "")),
        openapi=str(description.source.get("openapi", description.source.get("swagger"))),
        instructions=texts.shortened(texts.visible(_text(_info(description).get("description")), "/info", log), 2_000),
        digest=_digest(entry, further, overlays),
        tools=tools,
        diagnostics=log.located(_places((each.pointer for each in log.found()), {"": entry, **read}).__getitem__),
        counts=Counts(declared, len(tools), declared - len(tools)),
        security_schemes=declared_schemes(description),
        missing=description.missing,
    )


def bundled(entry: Document, further: Mapping[str, bytes], limits: Limits) -> Description:
    """Make one description of `entry` and the documents at hand; raises `DescriptionError`."""
    return _bundled(entry, further, limits)[0]


def _bundled(entry: Document, further: Mapping[str, bytes], limits: Limits) -> tuple[Description, dict[str, Document]]:
    """Bundle, and give the further documents that were asked for by their URIs."""
    read: dict[str, Document] = {}
    asking = references.bundle(entry)
    try:
        wanted = next(asking)
        while True:
            if wanted in further:
                read[wanted] = documents.parse(further[wanted], uri=wanted, limits=limits)
            wanted = asking.send(read.get(wanted))
    except StopIteration as finished:
        return finished.value, read


def _places(found: Iterable[str], read: Mapping[str, Document]) -> dict[str, Place]:
    """Find where the pointers of a bundled description stand in the documents it was made of."""
    within: dict[str, dict[str, str]] = {}
    for pointer in found:
        uri, own = references.unmounted(pointer, read)
        within.setdefault(uri, {})[pointer] = own
    lines = {uri: read[uri].lines_of(own.values()) for uri, own in within.items()}
    return {
        pointer: Place(uri, own, lines[uri].get(own)) for uri, each in within.items() for pointer, own in each.items()
    }


def _check_paths(description: Description) -> None:
    """Refuse what has no readable `paths`; OAS 3.1 and later may leave them out (section 4.8.1)."""
    paths = description.root.get("paths")
    if isinstance(paths, dict) or ("paths" not in description.root and description.version in {"3.1", "3.2"}):
        return
    raise DescriptionError(
        "spec_paths",
        "`paths` is missing." if "paths" not in description.source else "`paths` is not an object.",
        pointer="/paths",
        remedy="Write `paths` as an object of path items.",
    )


def _self_contained(tools: tuple[ToolDefinition, ...], log: DiagnosticLog) -> tuple[ToolDefinition, ...]:
    """Leave out a tool whose input schema no validator takes, and an output schema that none takes.

    One bad schema costs exactly its own operation, or less.
    """
    kept = []
    for each in tools:
        tool = each
        if tool.output_schema is not None and (problem := json_schema.check(tool.output_schema)):
            log.report("output_schema_dropped", tool.pointer, f"The output schema cannot be used: {problem[:200]}")
            tool = replace(tool, output_schema=None)
        problem = json_schema.check(tool.input_schema) or input_schemas.too_large(tool.input_schema)
        if problem is None:
            kept.append(tool)
        else:
            log.report("operation_schema_unusable", tool.pointer, f"The input schema cannot be used: {problem[:200]}")
    return tuple(kept)


def _report_surroundings(
    description: Description, tools: tuple[ToolDefinition, ...], declared: int, log: DiagnosticLog
) -> None:
    """Report what concerns the description as a whole: no operations, no server, webhooks."""
    if declared == 0:
        log.report("description_no_operations", "/paths", "The description has no operations, so there are no tools.")
    if isinstance(description.root.get("webhooks"), dict):
        log.report("webhook_ignored", "/webhooks", "Webhooks are not tools.")
    for tool in tools:
        if not tool.servers:
            log.report("server_missing", "", "The description names no server.")
        elif "://" not in tool.servers[0].url and "://" not in description.uri:
            at = description.origin("/servers")
            log.report("server_relative", at, f"The server URL {tool.servers[0].url[:200]!r} is relative.")


def _info(description: Description) -> dict[str, Any]:
    info = description.root.get("info")
    return info if isinstance(info, dict) else {}


def _title(description: Description, log: DiagnosticLog) -> str:
    return texts.visible(_text(_info(description).get("title")), "/info", log)[:200] or "Untitled API"


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _digest(entry: Document, further: Mapping[str, bytes], overlays: Sequence[bytes]) -> str:
    hashed = hashlib.sha256(entry.text.encode())
    for uri in sorted(further):
        hashed.update(b"\0" + uri.encode() + b"\0" + further[uri])
    for overlay in overlays:
        hashed.update(b"\0overlay\0" + overlay)
    return hashed.hexdigest()


def has_errors(diagnostics: tuple[Diagnostic, ...]) -> bool:
    """Tell whether any operation was lost."""
    return any(each.severity is Severity.ERROR for each in diagnostics)
