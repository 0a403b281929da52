"""Credentials as they are stored: details that may be shown, and one secret that is sealed for them.

What a secret is sealed for is namespace, server, scheme and the details, origins included: nothing of it can be changed
in the database without the secret becoming unreadable. Header fields of a server are kept alike, under a name that is
made of theirs; they are told from the others by their kind, which is sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.registry.records import NewCredential
from app.security.sealing import Sealed
from converters.authorization import HeldCredential
from converters.credentials import CLIENT_CREDENTIALS, ClientCertificate, ClientCredentials, Secret, Token, UserPassword
from converters.server_headers import ServerHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.registry.records import CredentialRecord
    from app.security.sealing import SecretKeys
    from converters.credentials import Credential


def details_of(
    credential: Credential,
    *,
    origins: Iterable[str],
    source: Mapping[str, str] | None,
    token_origins: Iterable[str] = (),
) -> dict[str, Any]:
    """Give what may be shown of a credential; `source` is where its secret is kept, None for the database.

    `token_origins` are those where tokens may be asked for with client credentials.
    """
    shown: dict[str, Any] = {"origins": sorted(origins), "source": dict(source) if source else None}
    if isinstance(credential, Token):
        return {**shown, "kind": "value", "scopes": _listed(credential.scopes)}
    if isinstance(credential, UserPassword):
        return {**shown, "kind": "password", "username": credential.username}
    if isinstance(credential, ClientCertificate):
        return {**shown, "kind": "certificate", "certificate": credential.certificate}
    return {
        **shown,
        "kind": "client",
        "client_id": credential.client_id,
        "token_endpoint_auth_method": credential.token_endpoint_auth_method,
        "grant_type": credential.grant_type,
        "token_origins": sorted(token_origins),
        "scopes": _listed(credential.scopes),
    }


def header_details(
    name: str, *, is_secret: bool, origins: Iterable[str], source: Mapping[str, str] | None
) -> dict[str, Any]:
    """Give what may be shown of a header field; `source` is where its value is kept, None for the database."""
    shown: dict[str, Any] = {"origins": sorted(origins), "source": dict(source) if source else None}
    return {**shown, "kind": "header", "name": name, "is_secret": is_secret}


def header_place(name: str) -> str:
    """Name the place of a header field beside those of the schemes: fields are the same in either case of letters."""
    return f"header:{name.lower()}"


def is_header(record: CredentialRecord) -> bool:
    """Tell whether a record is a header field of the server."""
    return bool(record.details["kind"] == "header")


def _listed(scopes: frozenset[str] | None) -> list[str] | None:
    return None if scopes is None else sorted(scopes)


def secret_of(credential: Credential) -> str:
    """Give the one secret of a credential; "" for a client without."""
    if isinstance(credential, Token):
        return credential.value.reveal()
    if isinstance(credential, UserPassword):
        return credential.password.reveal()
    if isinstance(credential, ClientCertificate):
        return credential.private_key.reveal()
    return "" if credential.client_secret is None else credential.client_secret.reveal()


def joined(details: Mapping[str, Any], secret: str) -> Credential:
    """Put details and secret together again."""
    if details["kind"] == "header":
        return Token(Secret(secret))
    if details["kind"] == "value":
        return Token(Secret(secret), _scopes(details))
    if details["kind"] == "password":
        return UserPassword(details["username"], Secret(secret))
    if details["kind"] == "certificate":
        return ClientCertificate(details["certificate"], Secret(secret))
    return ClientCredentials(
        client_id=details["client_id"],
        client_secret=Secret(secret) if secret else None,
        token_endpoint_auth_method=details["token_endpoint_auth_method"],
        scopes=_scopes(details),
        grant_type=grant_type(details),
    )


def grant_type(details: Mapping[str, Any]) -> str:
    """Give the grant of a stored client; the first ones were stored without."""
    return str(details.get("grant_type", CLIENT_CREDENTIALS))


def held(details: Mapping[str, Any], credential: Credential | None) -> HeldCredential:
    """Give a credential as the calls need it; one that was stored without origins for tokens has none."""
    origins, token_origins = frozenset(details["origins"]), frozenset(details.get("token_origins", ()))
    return HeldCredential(credential, origins, token_origins)


def held_header(details: Mapping[str, Any], credential: Credential | None) -> ServerHeader:
    """Give a header field as the calls need it."""
    value = credential.value if isinstance(credential, Token) else None
    return ServerHeader(details["name"], value, frozenset(details["origins"]), is_secret=details["is_secret"])


def _scopes(details: Mapping[str, Any]) -> frozenset[str] | None:
    return None if details["scopes"] is None else frozenset(details["scopes"])


def sealed(keys: SecretKeys, place: tuple[str, str, str], details: Mapping[str, Any], secret: str) -> NewCredential:
    """Seal a secret for `place` (namespace, server, scheme) and the details; one kept elsewhere is sealed as ""."""
    content = "" if details["source"] else secret
    closed = keys.seal(content.encode(), (*place, details), namespace=place[0])
    fingerprint = keys.fingerprint(secret.encode(), place[0])
    return NewCredential(details=details, fingerprint=fingerprint, key_id=closed.key_id, content=closed.content)


def opened(keys: SecretKeys, record: CredentialRecord) -> str:
    """Open the secret of a record; raises `UnreadableSecretError`."""
    place = (record.namespace, record.server, record.scheme, record.details)
    return keys.open(Sealed(record.key_id, record.content), place, namespace=record.namespace).decode()


def resealed(keys: SecretKeys, record: CredentialRecord) -> NewCredential:
    """Seal a record's secret under the current key; raises `UnreadableSecretError`.

    The fingerprint of a secret that is kept elsewhere stays: the secret is not at hand.
    """
    secret = opened(keys, record)
    place = (record.namespace, record.server, record.scheme)
    new = sealed(keys, place, record.details, secret)
    if record.details["source"]:
        return NewCredential(new.details, record.fingerprint, new.key_id, new.content)
    return new
