"""What credentials and header fields have in common: they are supplied, or the operator keeps them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class NewSecret(BaseModel):
    """What is supplied and never shown again, or where the operator keeps it."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[
        Literal["env", "file", "vault"] | None, Field(description="Where the operator keeps it, in its place.")
    ] = None
    name: Annotated[str | None, Field(description="The environment variable, with the source `env`.")] = None
    path: Annotated[
        str | None, Field(description="The file, with the source `file`; the path of the API, with `vault`.")
    ] = None
    field: Annotated[str | None, Field(description="The field of the secret, with the source `vault`.")] = None

    def members(self) -> dict[str, Any]:
        """Give what was supplied by member, secrets in plain text."""
        return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in self}


class CredentialSource(BaseModel):
    """Where a secret is kept that is not in the database."""

    source: Literal["env", "file", "vault"]
    name: str | None = None
    path: str | None = None
    field: str | None = None
