"""What the control plane takes and gives for the credentials of a server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from app.api.secret_schemas import CredentialSource, NewSecret


class NewCredential(NewSecret):
    """A credential for a security scheme; which members it has depends on the type of the scheme."""

    value: Annotated[SecretStr | None, Field(description="The key or token, for apiKey, bearer and other schemes.")] = (
        None
    )
    username: Annotated[str | None, Field(description="The user, for http basic and digest.")] = None
    password: Annotated[SecretStr | None, Field(description="The user's password.")] = None
    client_id: Annotated[str | None, Field(description="The OAuth client, for oauth2 and openIdConnect.")] = None
    client_secret: Annotated[SecretStr | None, Field(description="The client's secret.")] = None
    token_endpoint_auth_method: Annotated[
        str | None, Field(description="How the client authenticates (RFC 7591 section 2).")
    ] = None
    scopes: Annotated[
        list[str] | None, Field(description="The scopes that a token was granted, or that a client is to ask for.")
    ] = None
    grant_type: Annotated[
        Literal[
            "client_credentials",
            "authorization_code",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ]
        | None,
        Field(description="How a client gets tokens; by default the first grant that the scheme offers."),
    ] = None
    certificate: Annotated[str | None, Field(description="The client certificate, for mutualTLS.")] = None
    private_key: Annotated[
        SecretStr | None, Field(description="The key of the certificate, or of a client with `private_key_jwt`.")
    ] = None


class Credential(BaseModel):
    """What may be known of a credential; the secret itself is never shown."""

    scheme: str
    type: Annotated[str | None, Field(description="The scheme's type; null where it is not declared any more.")]
    kind: Annotated[Literal["value", "password", "client", "certificate"], Field(description="What was supplied.")]
    fingerprint: Annotated[str, Field(description="Equal for equal secrets of one namespace; tells nothing else.")]
    username: str | None = None
    client_id: str | None = None
    token_endpoint_auth_method: str | None = None
    grant_type: Annotated[str | None, Field(description="How a client gets tokens.")] = None
    scopes: list[str] | None = None
    source: CredentialSource | None = None
    token_origins: Annotated[
        list[str] | None, Field(description="Where tokens may be asked for with client credentials.")
    ] = None
    origins: Annotated[list[str], Field(description="Where it, or a token got with it, may be sent.")]
    detached_origins: Annotated[
        list[str],
        Field(
            description="Where requests with the scheme, or for its tokens, go by now; it is not sent there until it "
            "is put again."
        ),
    ]
    is_readable: Annotated[bool, Field(description="False where it does not open with this gateway's key.")]
    created_at: str
    updated_at: str


class CredentialList(BaseModel):
    """The credentials of a server, by scheme."""

    items: list[Credential]
    next_cursor: str | None = None
