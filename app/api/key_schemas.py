"""Bodies around API keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]


class KeyLimits(BaseModel):
    """What a key may ask for; null is the gateway's limit, which none exceeds."""

    model_config = ConfigDict(extra="forbid")

    calls_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000, description="Tool calls in a minute.")] = None
    concurrent_calls: Annotated[int | None, Field(ge=1, le=100_000, description="Tool calls at once.")] = None
    streams: Annotated[int | None, Field(ge=1, le=100_000, description="Open streams at once.")] = None


class NewApiKey(BaseModel):
    """A key to create."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200, description="What the key is for, for people.")] = ""
    scopes: Annotated[
        list[Literal["admin", "import", "call"]],
        Field(
            min_length=1,
            description="admin: everything, keys and credentials included; import: descriptions and settings of "
            "servers; call: their tools.",
        ),
    ]
    namespace: Annotated[
        Name | None, Field(description='The namespace it is for, "*" for every one; your own if left out.')
    ] = None
    servers: Annotated[
        list[Name] | None, Field(min_length=1, max_length=1_000, description="The servers it is for; all if left out.")
    ] = None
    tools: Annotated[
        list[Name] | None, Field(min_length=1, max_length=10_000, description="The tools it is for; all if left out.")
    ] = None
    expires_at: Annotated[AwareDatetime | None, Field(description="From when it is refused; never if left out.")] = None
    limits: KeyLimits | None = None


class ApiKey(BaseModel):
    """What is known of a key."""

    id: str
    prefix: Annotated[str, Field(description="The first characters of the key, to recognize it by.")]
    name: str
    scopes: list[str]
    namespace: str
    servers: list[str]
    tools: list[str]
    limits: KeyLimits
    created_by: str
    created_at: str
    expires_at: str | None
    last_used_at: Annotated[str | None, Field(description="To the minute.")]
    revoked_at: str | None


class CreatedApiKey(ApiKey):
    """A key that was created, with its text, which cannot be read again."""

    key: str


class SetupRequest(BaseModel):
    """The set-up token, and what the first key is called."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(max_length=200, description="As it was shown at the first start.")]
    name: Annotated[str, Field(max_length=200, description="What the key is for, for people.")] = "set-up"


class ApiKeyList(BaseModel):
    """A page of keys."""

    items: list[ApiKey]
    next_cursor: str | None
