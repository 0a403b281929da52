"""Bodies of the control plane, as pydantic models: what comes in is checked, what goes out is documented."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.security.protected_resources import DEFAULT_SCOPE
from converters.passed_fields import fault_of

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewServer(_Body):
    """A server to create, or a new description for one; exactly one of `document` and `document_url` is given."""

    name: Annotated[str | None, Field(description="Name of the server; made from the title if left out.")] = None
    document: Annotated[
        str | dict[str, Any] | None, Field(description="The OpenAPI document, as JSON or YAML text or as an object.")
    ] = None
    document_url: Annotated[str | None, Field(description="Where to fetch the document from.")] = None
    base_url: Annotated[
        str | None, Field(description="Where the API is, replacing the description's servers; a path prefix is kept.")
    ] = None
    server_variables: Annotated[
        dict[str, str] | None, Field(description="Values for the variables of the description's servers.")
    ] = None


class Policies(_Body):
    """What calls of a server are held to; null or left out is what the gateway does anyway."""

    response_budget: Annotated[
        int | None,
        Field(ge=1_000, le=10_000_000, description="Characters of an answer in a result; the rest is a resource."),
    ] = None
    heal_numbers: Annotated[
        bool | None, Field(description="Read texts as the numbers and booleans they spell, where those are expected.")
    ] = None
    call_timeout: Annotated[
        float | None, Field(gt=0, le=300, description="Seconds that a call may take; at most the gateway's own limit.")
    ] = None
    require_credentials: Annotated[
        bool | None,
        Field(
            description="Send nothing where a credential is missing. With false, calls of a server for which none was "
            "supplied at all are sent without."
        ),
    ] = None
    passthrough_headers: Annotated[
        dict[str, str] | None,
        Field(
            max_length=20,
            description="Header fields of the caller's request that go to the API, with the names they have there: "
            '`{"X-Tenant": "X-Tenant-Id"}`. None by default.',
        ),
    ] = None
    tool_listing: Annotated[
        Literal["direct", "search", "auto"] | None,
        Field(
            description="List the tools, or three to search, describe and call them; auto: the three if they are "
            "many; left out: the three for clients that are known not to take as many as there are."
        ),
    ] = None
    confirm: Annotated[
        Literal["never", "destructive"] | None,
        Field(description="Have the client's user confirm the calls that may destroy something before they are sent."),
    ] = None

    @field_validator("passthrough_headers")
    @classmethod
    def _can_be_passed(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        fault = fault_of(value or {})
        if fault:
            raise ValueError(fault)
        return value

    review: Annotated[
        Literal["auto", "review", "freeze"] | None,
        Field(
            description="What becomes of a new description: served (auto); served once it is activated, where it "
            "breaks callers, deletes, goes to another host or wants more scopes (review); refused (freeze)."
        ),
    ] = None
    rename_grace_days: Annotated[
        float | None,
        Field(ge=0, le=365, description="Days that a tool is answered under the name it had before; 7 if left out."),
    ] = None

    refresh_interval: Annotated[
        int | None,
        Field(
            ge=60,
            le=31_536_000,
            description="Seconds, a tenth more or less, after which a description from a URL is fetched again.",
        ),
    ] = None


class ServerPatch(_Body):
    """Settings of a server to change; what is left out stays, null clears."""

    base_url: str | None = None
    server_variables: dict[str, str] | None = None
    enabled: bool | None = None
    instructions: str | None = None
    certificate_authorities: Annotated[
        str | None, Field(description="Certificates (PEM) to trust for this API instead of those the system trusts.")
    ] = None
    policies: Annotated[Policies | None, Field(description="Replaces the policies whole; null clears them.")] = None


class ToolPatch(_Body):
    """What to override of a tool; what is left out stays, null gives back what the description says."""

    enabled: bool | None = None
    name: str | None = None
    description: str | None = None
    annotations: dict[str, Any] | None = None
    pinned: dict[str, Any] | None = Field(
        None, description="Arguments by name that have this value in every call, and are not listed."
    )
    hidden: list[str] | None = Field(
        None, description="Optional arguments that are not listed; the default is sent of those that have one."
    )


class ToolArguments(_Body):
    """Arguments of a tool call."""

    arguments: dict[str, Any] = Field(default_factory=dict)


class NewNamespace(_Body):
    """A namespace to create."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


_Count = Annotated[int, Field(ge=0, le=2**53 - 1)]


class NewQuota(_Body):
    """How much a namespace may hold; null or left out, as much as the gateway's settings say."""

    servers: _Count | None = None
    tools: _Count | None = None
    document_bytes: _Count | None = Field(None, description="Of the documents of all revisions together.")


class ScopeGrant(_Body):
    """What a scope permits: calls of these tools of these servers of the namespace; `*` stands for all."""

    servers: Annotated[list[str], Field(description="Names of servers.", min_length=1)] = ["*"]
    tools: Annotated[list[str], Field(description="Names of tools of those servers.", min_length=1)] = ["*"]


Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$", max_length=200)]


class NewIssuer(_Body):
    """The authorization server whose access tokens open the servers of a namespace."""

    issuer: Annotated[str, Field(description="Its issuer identifier (RFC 8414): a URL with https.", max_length=2000)]
    jwks_uri: Annotated[
        str | None, Field(description="Where its keys are; left out, its metadata say it.", max_length=2000)
    ] = None
    algorithms: Annotated[
        list[Algorithm] | None, Field(description="Signatures to accept; all of them if left out.", min_length=1)
    ] = None
    scopes: Annotated[
        dict[Scope, ScopeGrant] | None,
        Field(
            description=f"What each scope permits; left out, `{DEFAULT_SCOPE}` permits calling every tool.",
            min_length=1,
            max_length=100,
        ),
    ] = None


class Issuer(BaseModel):
    """The authorization server of a namespace."""

    issuer: str
    jwks_uri: str | None
    algorithms: list[str]
    scopes: dict[str, ScopeGrant]
    updated_at: str


class Counts(BaseModel):
    """Operations of the description, tools made of them, and operations that were skipped."""

    operations: int
    tools: int
    skipped: int


class Diagnostic(BaseModel):
    """What of the description did not reach a tool, or reached it changed."""

    code: str
    severity: Literal["error", "warning", "info"]
    pointer: str
    line: int | None
    message: str
    remedy: str
    document: str = Field(default="", description="The further document of a split description; empty for the entry.")


class Endpoints(BaseModel):
    """Where MCP clients connect: by Streamable HTTP, or those that know no other by HTTP+SSE of 2024-11-05."""

    streamable_http: str
    sse: str


class SecurityScheme(BaseModel):
    """A security scheme that the description declares."""

    name: str
    type: str
    scheme: str | None = None
    location: Annotated[str | None, Field(alias="in")] = None
    has_credential: bool


class Condition(BaseModel):
    """Something that the owner of a server should look at."""

    code: str
    message: str
    remedy: str
    since: Annotated[str | None, Field(description="When it went wrong; null where it is about how things are.")]


class Server(BaseModel):
    """An MCP server made from an OpenAPI description."""

    namespace: str
    name: str
    title: str
    kind: str
    revision: int
    draft_revision: Annotated[int | None, Field(description="The revision that waits for a review.")]
    conditions: list[Condition]
    counts: Counts
    diagnostics: list[Diagnostic]
    endpoints: Endpoints
    security_schemes: list[SecurityScheme]
    enabled: bool
    base_url: str | None
    server_variables: dict[str, str]
    instructions: str | None
    certificate_authorities: str | None
    policies: Policies
    openapi: str
    created_at: str
    updated_at: str


class ServerSummary(BaseModel):
    """A server in a list; its diagnostics are with the server itself."""

    namespace: str
    name: str
    title: str
    kind: str
    revision: int
    counts: Counts
    endpoints: Endpoints
    enabled: bool


class ServerList(BaseModel):
    """A page of servers; `next_cursor` is null on the last."""

    items: list[ServerSummary]
    next_cursor: str | None


class ValidityProblem(BaseModel):
    """One way in which a description breaks its specification."""

    pointer: str
    message: str


class Validity(BaseModel):
    """Whether a description is valid by the letter; it is served either way."""

    valid: bool
    problems: list[ValidityProblem]


class ToolSummary(BaseModel):
    """A tool in a list."""

    name: str
    title: str
    description: str
    method: str
    path: str
    operation: str
    enabled: bool
    deprecated: bool


class ToolList(BaseModel):
    """All tools of a server, in document order."""

    items: list[ToolSummary]
    next_cursor: str | None = None


class Authorization(BaseModel):
    """Which alternative of `security` a call would use now."""

    alternative: Annotated[int | None, Field(description="Its index; null where none is needed or none can be used.")]
    schemes: Annotated[list[str], Field(description="The schemes whose credentials a call would carry.")]
    missing: Annotated[list[str], Field(description="The schemes that the nearest alternative lacks.")]
    detail: Annotated[str, Field(description="Why a call would not be sent, and what to do; else empty.")]


class Tool(ToolSummary):
    """A tool with its schemas and what its operation accepts as credentials."""

    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: dict[str, Any]
    tags: list[str]
    pointer: str
    security: Annotated[
        list[dict[str, list[str]]], Field(description="Alternatives; each maps scheme names to scopes, all needed.")
    ]
    authorization: Authorization


class RequestPiece(BaseModel):
    """A piece of the request and the place in the description that made it."""

    part: str
    name: str
    pointer: str


class Preview(BaseModel):
    """The HTTP request a call would send, credentials masked; `detail` says why it would not be sent, or is empty."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str | None
    body_encoding: Literal["text", "base64"]
    pieces: list[RequestPiece]
    detail: str = ""


class CallResult(BaseModel):
    """The MCP result of a tool call (CallToolResult)."""

    model_config = ConfigDict(extra="allow")

    content: list[dict[str, Any]]
    isError: bool  # noqa: N815 - MCP's name
    structuredContent: dict[str, Any] | None = None  # noqa: N815 - MCP's name


class Namespace(BaseModel):
    """A tenant."""

    name: str
    created_at: str


class NamespaceList(BaseModel):
    """A page of namespaces."""

    items: list[Namespace]
    next_cursor: str | None


class NamespaceUsage(BaseModel):
    """How much a namespace holds."""

    servers: int
    tools: int
    document_bytes: int


class QuotaOfNamespace(BaseModel):
    """How much a namespace may hold, null for any number, and how much it holds."""

    servers: int | None
    tools: int | None
    document_bytes: int | None
    used: NamespaceUsage
