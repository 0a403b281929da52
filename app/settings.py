"""Settings: read once, frozen, and nowhere else.

Every setting is `CAUSEWAY_<NAME>` in the environment, a file `causeway_<name>` in the folder SECRETS_DIR, or `<name>`
in `causeway.toml` in the working directory. The first of them wins, and what the command line gives wins over all.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableSourceError

from app.destinations import Destination
from app.errors import CausewayError

CONFIG_FILE = "causeway.toml"
# What a process of Python needs of its environment: where programs, libraries and temporary files are, and the locale.
_OF_WORKERS = frozenset(
    {
        *("PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT"),
    }
)
_PYTHON_S = "PYTHON"
# Who names a collector wants traces (OpenTelemetry's "OTLP Exporter Configuration").
_COLLECTORS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "causeway"


class SettingsError(CausewayError):
    """A setting cannot be used."""

    code = "settings_invalid"


class Settings(BaseSettings):
    """The service's settings (contract, "Settings")."""

    model_config = SettingsConfigDict(
        env_prefix="CAUSEWAY_", frozen=True, extra="ignore", toml_file=CONFIG_FILE, env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="Where clients reach this gateway, when that is not host and port."
    )
    data_dir: Path = Field(default_factory=_default_data_dir, description="Folder for what is stored on disk.")
    database_url: str | None = Field(None, description="PostgreSQL or SQLite URL; by default SQLite in DATA_DIR.")
    redis_url: SecretStr | None = Field(
        None, description="redis://, rediss:// or unix:// URL of a Redis in which all instances count calls together."
    )
    redis_timeout: float = Field(0.08, gt=0, le=10, description="Seconds that a tool call may wait for Redis.")
    admin_key: SecretStr | None = Field(None, description="Key that may do everything; setting it means service mode.")
    secrets_dir: Path | None = Field(
        None,
        description="Folder in which each file causeway_<name> is a setting, as Docker and Kubernetes mount secrets.",
    )
    egress_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks (CIDR) and host names, each with a port or without, that may be connected to besides "
        "public ones. With a port, one that is closed otherwise (22, 5432, ...) is open there.",
    )
    egress_deny: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Networks (CIDR) and host names, each with a port or without, that are never connected to."
    )
    egress_proxy: SecretStr | None = Field(
        None,
        description="URL of the HTTP proxy that every request goes through; proxies of the environment are ignored.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Networks (CIDR) of the reverse proxies in front, whose X-Forwarded-* fields are believed."
    )
    secret_key: SecretStr | None = Field(
        None, description="Key that stored credentials are encrypted with: 32 bytes at random, as base64."
    )
    secret_key_file: Path | None = Field(None, description="File that holds SECRET_KEY, instead of the setting.")
    secret_keys_old: SecretStr | None = Field(
        None, description="Further keys (by commas) that stored credentials are read with, and none is written with."
    )
    namespace_keys: Path | None = Field(
        None,
        description="Folder, shared by all instances, of the keys that namespaces have besides SECRET_KEY; by default "
        "in DATA_DIR where the database is there, else none.",
    )
    credential_env: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Environment variables (names, by commas) that credentials may be taken from."
    )
    credential_files: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Files, or folders of files (by commas), that credentials may be taken from."
    )
    vault_address: str | None = Field(
        None,
        description="URL of a HashiCorp Vault that credentials may be taken from, such as https://vault.corp:8200.",
    )
    vault_token: SecretStr | None = Field(None, description="Token to read the Vault with.")
    vault_token_file: Path | None = Field(
        None, description="File that holds the token, read for each request: whoever renews it writes it there."
    )
    vault_paths: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Paths of the Vault's API (by commas), such as secret/data/apis: what is at or below them is read.",
    )
    vault_ttl: float = Field(300.0, ge=1, le=86_400, description="Seconds after which the Vault is asked again.")
    key_calls_per_minute: int = Field(600, ge=1, description="Tool calls that one key may make in a minute.")
    key_concurrent_calls: int = Field(50, ge=1, description="Tool calls that one key may have under way.")
    key_streams: int = Field(20, ge=1, description="Streams that one key may have open.")
    namespace_streams: int = Field(1024, ge=1, description="Streams that one namespace may have open in a process.")
    stream_idle: float = Field(14_400.0, ge=60, description="Seconds after which a stream that told nothing ends.")
    imports: int = Field(4, ge=1, description="Imports that one process may have under way; more wait.")
    namespace_imports: int = Field(2, ge=1, description="Imports that one namespace may have under way; more wait.")
    namespace_servers: int | None = Field(None, ge=1, description="Servers that one namespace may have.")
    namespace_tools: int | None = Field(None, ge=1, description="Tools that one namespace's servers may have.")
    namespace_document_bytes: int | None = Field(
        None, ge=1, description="Bytes that the documents of one namespace may have, those of all revisions together."
    )
    revisions_kept: int = Field(20, ge=1, description="Newest revisions of a server that are kept.")
    revisions_days: int = Field(
        7, ge=0, le=36_500, description="Days for which an older revision is kept after it was served."
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that serve; more than one needs PostgreSQL.")
    metrics_host: str = Field("127.0.0.1", description="Address to serve metrics at, where METRICS_PORT is set.")
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port that serves /metrics and nothing else; by default it is served with the rest.",
    )
    trace_upstream: bool = Field(
        False,  # noqa: FBT003 - a field's default
        description="Whether requests to APIs carry the trace they belong to (traceparent), where there are traces.",
    )
    audit_calls: bool = Field(True, description="Whether tool calls are in the audit, besides changes.")  # noqa: FBT003 - a field's default
    audit_required: bool = Field(
        False,  # noqa: FBT003 - a field's default
        description="Whether tool calls are refused while they could not be in the audit.",
    )
    audit_days: int = Field(90, ge=8, le=36_500, description="Days that an entry of the audit is kept.")
    log_format: Literal["text", "json"] = Field("text", description="How log lines are written, to standard error.")
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        None,
        description="What is logged; a record of each request is `info`. By default `info` as JSON, `warning` as text.",
    )
    call_timeout: float = Field(30.0, gt=0, le=300, description="Seconds that one tool call may take.")

    @field_validator(
        "egress_allow",
        "egress_deny",
        "trusted_proxies",
        "credential_env",
        "credential_files",
        "vault_paths",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = (part.strip(" \t\"'") for part in _unbracketed(value).split(","))
        return tuple(part for part in parts if part)

    @field_validator("egress_allow", "egress_deny")
    @classmethod
    def _destinations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Destination.read(text)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text, strict=False)
        return value

    @field_validator("secrets_dir")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("must be a folder")
        return value

    @field_validator("egress_proxy")
    @classmethod
    def _proxy(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "http://none")
        if parts.scheme != "http" or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            raise ValueError("must be a URL like http://proxy.corp:3128")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "redis://none")
        if not (parts.hostname if parts.scheme in {"redis", "rediss"} else parts.scheme == "unix" and parts.path):
            raise ValueError("must be a URL like redis://redis.corp:6379/0, rediss://... or unix:///run/redis.sock")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or parts.query:
            raise ValueError("must be a URL like https://causeway.corp")
        return value

    @field_validator("vault_address")
    @classmethod
    def _vault(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or parts.query:
            raise ValueError("must be a URL like https://vault.corp:8200")
        return value

    @model_validator(mode="after")
    def _the_operator_s_key_is_long(self) -> Self:
        # Without one, the first key is made with a token that the first start shows.
        if self.admin_key is not None and len(self.admin_key.get_secret_value()) < MIN_KEY_LENGTH:
            raise ValueError(f"CAUSEWAY_ADMIN_KEY must be set to at least {MIN_KEY_LENGTH} characters, or not at all.")
        return self

    @model_validator(mode="after")
    def _keys_are_sent_in_secret(self) -> Self:
        parts = urlsplit(self.public_url or "")
        if not self.is_local and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                "CAUSEWAY_PUBLIC_URL is http, over which keys and tokens can be read on the way: serve https, by a "
                "reverse proxy in front, and give its https URL."
            )
        return self

    @model_validator(mode="after")
    def _metrics_are_for_this_machine_or_those_with_a_key(self) -> Self:
        if self.is_local and not is_loopback(self.metrics_host):
            raise ValueError("CAUSEWAY_METRICS_HOST beyond this machine needs service mode: set CAUSEWAY_ADMIN_KEY.")
        return self

    @model_validator(mode="after")
    def _an_audit_that_is_required_has_calls(self) -> Self:
        if self.audit_required and not self.audit_calls:
            raise ValueError("CAUSEWAY_AUDIT_REQUIRED needs CAUSEWAY_AUDIT_CALLS, which is false.")
        return self

    @model_validator(mode="after")
    def _proxies_are_for_service_mode(self) -> Self:
        if self.trusted_proxies and self.is_local:
            # Local mode has no login: the Host that a browser shows is what keeps web pages out.
            raise ValueError("CAUSEWAY_TRUSTED_PROXIES needs service mode: set CAUSEWAY_ADMIN_KEY.")
        return self

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - the signature is pydantic-settings'
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the command line, the environment, the folder of secrets, then `causeway.toml`; no `.env` file."""
        _ = dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls)
        folder = {**toml(), **env_settings(), **init_settings()}.get("secrets_dir")
        # A folder that is not there is refused by its validator.
        files = [SecretsSettingsSource(settings_cls, folder)] if folder and Path(folder).is_dir() else []
        return init_settings, env_settings, *files, toml

    @property
    def is_local(self) -> bool:
        """Whether this is local mode: bound to loopback and no key configured."""
        return self.admin_key is None and is_loopback(self.host)

    @property
    def exports_traces(self) -> bool:
        """Whether the variables of OpenTelemetry's SDK ask for traces, which take all else from there, too."""
        exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
        if exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return False
        return exporter == "otlp" or any(os.environ.get(name) for name in _COLLECTORS)

    @property
    def log_threshold(self) -> str:
        """The least level that is logged."""
        return self.log_level or ("info" if self.log_format == "json" else "warning")

    def credential_variable(self, name: str) -> str | None:
        """Give an environment variable that credentials may be taken from; None for any other, or where it is not set.

        What the gateway itself is protected with is never one, whatever is listed.
        """
        is_listed = name in self.credential_env and not name.upper().startswith("CAUSEWAY_")
        return os.environ.get(name) if is_listed else None

    def read_vault_token(self) -> str:
        """Give the token for the Vault as it is now, "" where there is none."""
        if self.vault_token is not None:
            return self.vault_token.get_secret_value()
        try:
            return self.vault_token_file.read_text(encoding="utf-8").strip() if self.vault_token_file else ""
        except (OSError, UnicodeDecodeError):
            return ""

    @property
    def registry_url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'causeway.db'}"

    @property
    def namespace_keys_folder(self) -> Path | None:
        """The folder of the namespaces' keys; None where they have none.

        A database that is elsewhere may outlive this instance's DATA_DIR, in which the keys would be lost.
        """
        default = None if self.database_url else self.data_dir / "namespace-keys"
        return self.namespace_keys or default


MIN_KEY_LENGTH = 16


def worker_environment() -> dict[str, str]:
    """Give the environment of a process that reads what strangers wrote: what Python needs, and no secret."""
    return {name: value for name, value in os.environ.items() if name in _OF_WORKERS or name.startswith(_PYTHON_S)}


def _unbracketed(text: str) -> str:
    """Take a list's own brackets off, and leave those of an IPv6 address: `["a", "b"]`, but `[fd00::]:80, [fd01::]`."""
    found = re.fullmatch(r"\s*\[(?![^\[\]\"]*\].)(.*)\]\s*", text, re.DOTALL)
    return found[1] if found else text


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load(**given: Any) -> Settings:
    """Read the settings; `given` (from the command line) wins, None meaning "not given".

    Raises:
        SettingsError: with a sentence that names the setting, for a value that cannot be used.

    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"CAUSEWAY_{str(first['loc'][0]).upper()}: " if first["loc"] else ""
        raise SettingsError(f"{name}{first['msg'].removeprefix('Value error, ').removesuffix('.')}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{CONFIG_FILE}: {error}.") from None
    except UnreadableSourceError as error:
        raise SettingsError(f"{str(error).capitalize()}: {error.__cause__}.") from None
