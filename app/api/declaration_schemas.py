"""A server as a file declares it (`causeway apply`, `serve --config`), and what applying it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.revision_schemas import ImportResult
from app.api.schemas import Policies
from app.registry.records import ServerChanges, ToolOverride
from app.services.declarations import STORED, Declaration

if TYPE_CHECKING:
    from app.services.declared_servers import Declared
    from app.services.import_description import Source

_MEMBERS: Final = ("username", "client_id", "token_endpoint_auth_method", "grant_type", "scopes", "certificate")
OPERATION: Final = r"^[A-Z]+ /"


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeclaredSource(_Declared):
    """Where the description is: a file, or a URL that the gateway fetches."""

    file: Annotated[
        str | None, Field(description="JSON or YAML file, zip or directory, relative to the file that declares it.")
    ] = None
    url: Annotated[str | None, Field(description="Where the gateway fetches the description.")] = None
    entry: Annotated[str | None, Field(description="The document of a zip or directory that the others hang on.")] = (
        None
    )
    overlays: Annotated[list[str], Field(description="Files of OpenAPI Overlays to apply first, in order.")] = []

    @model_validator(mode="after")
    def _has_one_place(self) -> DeclaredSource:
        if (self.file is None) == (self.url is None):
            raise ValueError("exactly one of `file` and `url` is needed")
        if self.url is not None and (self.entry or self.overlays):
            raise ValueError("`entry` and `overlays` go with `file`")
        return self


class SecretRef(_Declared):
    """Where a secret is kept: in the environment, a file or a vault of the operator's, or in the gateway (`stored`)."""

    source: Literal["env", "file", "vault", "stored"]
    name: Annotated[str | None, Field(description="The environment variable, with the source `env`.")] = None
    path: Annotated[
        str | None, Field(description="The file, with the source `file`; the path of the API, with `vault`.")
    ] = None
    field: Annotated[str | None, Field(description="The field of the secret, with the source `vault`.")] = None


class DeclaredCredential(_Declared):
    """A credential, its secret by reference."""

    secret_ref: Annotated[SecretRef, Field(alias="secretRef", description="Where the secret is kept.")]
    username: Annotated[str | None, Field(description="The user, for http basic and digest.")] = None
    client_id: Annotated[str | None, Field(description="The OAuth client.")] = None
    token_endpoint_auth_method: Annotated[
        str | None, Field(description="How the client authenticates (RFC 7591 section 2).")
    ] = None
    grant_type: Annotated[str | None, Field(description="How the client gets tokens.")] = None
    scopes: Annotated[list[str] | None, Field(description="The scopes of the token, or to ask for.")] = None
    certificate: Annotated[str | None, Field(description="The client certificate (PEM), for mutualTLS.")] = None


class DeclaredHeader(_Declared):
    """A header field of every request, its value by reference."""

    secret_ref: Annotated[SecretRef, Field(alias="secretRef", description="Where the value is kept.")]
    is_secret: Annotated[
        bool, Field(description="Mask the value in answers; false for what is no secret, such as a version or a date.")
    ] = True


class DeclaredTool(_Declared):
    """What is different of an operation's tool from what the description says."""

    name: str | None = None
    description: str | None = None
    enabled: bool | None = None
    annotations: dict[str, Any] | None = None
    pinned: dict[str, Any] | None = None
    hidden: list[str] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> DeclaredTool:
        if not self.model_dump(exclude_none=True):
            raise ValueError(
                "an override says at least one of " + ", ".join(f"`{each}`" for each in DeclaredTool.model_fields)
            )
        return self


class ServerDeclaration(_Declared):
    """A server: what is left out is as the gateway does it anyway, except for secrets, which stay."""

    namespace: str = "default"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    source: DeclaredSource
    base_url: Annotated[str | None, Field(description="Where the API is, in the place of its servers.")] = None
    server_variables: dict[str, str] = {}
    enabled: bool = True
    instructions: Annotated[str | None, Field(description="Instructions in the place of the description's.")] = None
    certificate_authorities: Annotated[str | None, Field(description="Certificates (PEM) to trust for the API.")] = None
    policies: Policies = Policies()
    tools: Annotated[
        dict[Annotated[str, Field(pattern=OPERATION)], DeclaredTool],
        Field(description="Overrides by operation, such as `GET /pets/{id}`."),
    ] = {}
    credentials: Annotated[dict[str, DeclaredCredential], Field(description="Credentials by security scheme.")] = {}
    headers: Annotated[
        dict[str, DeclaredHeader], Field(description="Header fields that go with every request, by name.")
    ] = {}


class DeclarationResult(BaseModel):
    """What applying a declaration did, or would do."""

    outcome: Literal["created", "unchanged", "changed"]
    differences: Annotated[list[str], Field(description="The parts, other than the description, that were different.")]
    description: Annotated[ImportResult, Field(description="What became of the description.")]


class Prune(_Declared):
    """Which of the servers of a namespace are still declared."""

    keep: Annotated[list[str], Field(description="Their names.")]


class Pruned(BaseModel):
    """The servers that were deleted, or would be."""

    items: list[str]


def declaration_of(declared: ServerDeclaration, source: Source) -> Declaration:
    """Give a declaration as the service takes it, `source` being what `declared.source` stands for."""
    policies = declared.policies.model_dump(exclude_none=True)
    settings = ServerChanges(
        base_url=declared.base_url,
        server_variables=declared.server_variables,
        instructions=declared.instructions,
        policies=policies,
        enabled=declared.enabled,
        certificate_authorities=declared.certificate_authorities,
    )
    return Declaration(
        namespace=declared.namespace,
        name=declared.name,
        source=source,
        settings=settings,
        overrides=[ToolOverride(key, **tool.model_dump()) for key, tool in declared.tools.items()],
        credentials={scheme: _supplied(each) for scheme, each in declared.credentials.items()},
        headers={name: _supplied(each) for name, each in declared.headers.items()},
    )


def _supplied(declared: DeclaredCredential | DeclaredHeader) -> dict[str, Any]:
    """Give a secret as the control plane takes it, with the source of its value."""
    members = declared.model_dump(exclude_none=True, exclude={"secret_ref"})
    return {**members, **declared.secret_ref.model_dump(exclude_none=True)}


def declared(found: Declared) -> ServerDeclaration:
    """Give a server as it would be declared; a document that was uploaded is a file named after the server."""
    server, description = found.server, found.revision.description
    overlays = [
        f"documents/{server.name}.overlay-{number}.yaml" for number in range(1, len(description["overlays"]) + 1)
    ]
    is_zip = description["entry"] is not None
    place: dict[str, Any] = {"url": found.revision.document_url}
    if found.revision.document_url is None:
        name = f"documents/{server.name}.{'zip' if is_zip else 'yaml'}"
        place = {"file": name, "entry": description["entry"], "overlays": overlays}
    has_own = (server.instructions or "") != (description["instructions"] or "")
    return ServerDeclaration(
        namespace=server.namespace,
        name=server.name,
        source=DeclaredSource(**place),
        base_url=server.base_url,
        server_variables=server.server_variables,
        enabled=server.enabled,
        instructions=server.instructions if has_own else None,
        certificate_authorities=server.certificate_authorities,
        policies=Policies(**(server.policies or {})),
        tools={
            each.operation_key: DeclaredTool(
                name=each.name,
                description=each.description,
                enabled=each.enabled,
                annotations=each.annotations,
                pinned=each.pinned,
                hidden=each.hidden,
            )
            for each in found.overrides
        },
        credentials={
            each.record.scheme: DeclaredCredential.model_validate(
                {
                    "secretRef": each.record.details["source"] or STORED,
                    **{name: each.record.details.get(name) for name in _MEMBERS},
                }
            )
            for each in found.credentials
        },
        headers={
            each.record.details["name"]: DeclaredHeader.model_validate(
                {
                    "secretRef": each.record.details["source"] or STORED,
                    "is_secret": each.record.details["is_secret"],
                }
            )
            for each in found.headers
        },
    )
