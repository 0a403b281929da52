"""What the control plane takes and gives for the header fields of a server."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from app.api.secret_schemas import CredentialSource, NewSecret


class NewHeader(NewSecret):
    """The value of a header field, or where the operator keeps it."""

    value: Annotated[SecretStr | None, Field(description="What is sent; it is never shown again.")] = None
    is_secret: Annotated[
        bool, Field(description="Mask the value in answers; false for what is no secret, such as a version or a date.")
    ] = True


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
