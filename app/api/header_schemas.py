"""What the control plane takes and gives for the header fields of a server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.api.schemas import CredentialSource


class NewHeader(BaseModel):
    """The value of a header field, or where the operator keeps it."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[SecretStr | None, Field(description="What is sent; it is never shown again.")] = None
    is_secret: Annotated[
        bool, Field(description="Mask the value in answers; false for what is no secret, such as a version or a date.")
    ] = True
    source: Annotated[
        Literal["env", "file", "vault"] | None, Field(description="Where the operator keeps the value, in its place.")
    ] = None
    name: Annotated[str | None, Field(description="The environment variable, with the source `env`.")] = None
    path: Annotated[
        str | None, Field(description="The file, with the source `file`; the path of the API, with `vault`.")
    ] = None
    field: Annotated[str | None, Field(description="The field of the secret, with the source `vault`.")] = None


class Header(BaseModel):
    """What may be known of a header field; the value itself is never shown."""

    name: str
    is_secret: bool
    fingerprint: Annotated[str, Field(description="Equal for equal values of one namespace; tells nothing else.")]
    source: CredentialSource | None = None
    origins: Annotated[list[str], Field(description="Where it may be sent.")]
    detached_origins: Annotated[
        list[str], Field(description="Where the server's requests go by now and it does not, until it is put again.")
    ]
    is_readable: Annotated[bool, Field(description="False where it does not open with this gateway's key.")]
    created_at: str
    updated_at: str


class HeaderList(BaseModel):
    """The header fields of a server, by name."""

    items: list[Header]
    next_cursor: str | None = None
