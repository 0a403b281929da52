"""The secrets of a declaration: credentials by scheme and header fields by name, each where the operator keeps it.

They are read before the transaction that applies the declaration, and bound and stored in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import CausewayError
from app.registry.errors import ServerNotFound
from app.services import stored_credentials
from app.services.declarations import STORED, DeclarationError
from converters import ConverterError
from converters.pointers import from_tokens
from converters.security import read_schemes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.registry import Registry
    from app.registry.records import CredentialRecord, NewCredential, NewRevision
    from app.services.credential_targets import Targets
    from app.services.credentials import Credentials
    from app.services.declarations import Declaration
    from app.services.server_headers import ServerHeaders
    from converters.security import SecurityScheme

    Bind = Callable[[Targets], NewCredential]


@dataclass(frozen=True, slots=True)
class DeclaredSecret:
    """A secret that was read where it is kept; `bind` seals it for where requests go, None for one kept here.

    `tokens` are its place in the declaration, `place` that in the registry; `scheme` is the one it is for, if any.
    """

    tokens: tuple[str, str]
    place: str
    given: Mapping[str, Any]
    bind: Bind | None = None
    scheme: str | None = None

    def error(self, message: str) -> DeclarationError:
        """Say what is wrong with where it is kept."""
        return DeclarationError(message, pointer=from_tokens([*self.tokens, "secretRef"]))


class DeclaredSecrets:
    """Reads the secrets that declarations refer to, and stores those that are not as declared."""

    def __init__(self, credentials: Credentials, headers: ServerHeaders) -> None:
        """Check and seal as `credentials` and `headers` do."""
        self._credentials = credentials
        self._headers = headers

    async def read(self, declaration: Declaration, new: NewRevision) -> tuple[DeclaredSecret, ...]:
        """Read every secret, for a server of the description `new`; raises `DeclarationError`."""
        schemes = read_schemes(new.description["security_schemes"], str(new.description["openapi"]))
        credentials = [
            await self._credential(declaration, scheme, schemes=schemes) for scheme in declaration.credentials
        ]
        _check_distinct(declaration.headers)
        headers = [await self._header(declaration, name, schemes=schemes) for name in declaration.headers]
        return (*credentials, *headers)

    async def put(
        self,
        registry: Registry,
        declaration: Declaration,
        secrets: Sequence[DeclaredSecret],
        *,
        targets: Targets,
        dry_run: bool,
    ) -> tuple[str, ...]:
        """Store what is not as declared, or with `dry_run` only tell it, as "credentials/key" and "headers/X-Key".

        A credential for a scheme that only a description declares which waits for a review waits with it. Raises
        `DeclarationError`.
        """
        namespace, name = declaration.namespace, declaration.name
        known = await _known(registry, namespace, name) if secrets else {}
        changed = []
        for each in secrets:
            if each.scheme is not None and each.scheme not in targets.schemes:
                continue
            there = known.get(each.place)
            if each.bind is None:
                _check_stored(each, there)
                continue
            new = _bound(each, each.bind, targets)
            if there is None or not self._credentials.is_as(there, new):
                changed.append("/".join(each.tokens))
                if not dry_run:
                    await registry.credentials.put(namespace, name, scheme=each.place, new=new)
        return tuple(changed)

    async def _credential(
        self, declaration: Declaration, scheme: str, *, schemes: Mapping[str, SecurityScheme]
    ) -> DeclaredSecret:
        given = declaration.credentials[scheme]
        found = DeclaredSecret(("credentials", scheme), scheme, given, scheme=scheme)
        if scheme not in schemes:
            declared = ", ".join(sorted(schemes)) or "none"
            sentence = (
                f"The description does not declare the security scheme {scheme[:200]!r}; it declares: {declared}."
            )
            raise DeclarationError(sentence, pointer=from_tokens(found.tokens))
        if given.get("source") == STORED["source"]:
            return found
        try:
            credential, source = await self._credentials.check(schemes[scheme], given)
        except (CausewayError, ConverterError) as error:
            raise found.error(error.message) from None

        def bind(targets: Targets) -> NewCredential:
            place = (declaration.namespace, declaration.name, scheme)
            return self._credentials.bound(targets, credential, place=place, source=source)

        return DeclaredSecret(found.tokens, scheme, given, bind, scheme)

    async def _header(
        self, declaration: Declaration, name: str, *, schemes: Mapping[str, SecurityScheme]
    ) -> DeclaredSecret:
        given, place = declaration.headers[name], stored_credentials.header_place(name)
        found = DeclaredSecret(("headers", name), place, given)
        if given.get("source") == STORED["source"]:
            return found
        try:
            supplied = await self._headers.check(name, given, schemes=schemes.values())
        except (CausewayError, ConverterError) as error:
            raise found.error(error.message) from None

        def bind(targets: Targets) -> NewCredential:
            return self._headers.bound(targets, supplied, place=(declaration.namespace, declaration.name))

        return DeclaredSecret(found.tokens, place, given, bind)


def _check_distinct(headers: Mapping[str, Any]) -> None:
    seen: set[str] = set()
    for name in headers:
        if name.lower() in seen:
            sentence = f"The header field {name!r} is declared twice: case does not matter (RFC 9110 section 5.1)."
            raise DeclarationError(sentence, pointer=from_tokens(["headers", name]))
        seen.add(name.lower())


async def _known(registry: Registry, namespace: str, name: str) -> Mapping[str, CredentialRecord]:
    try:
        return {each.scheme: each for each in await registry.credentials.list(namespace, name)}
    except ServerNotFound:  # only tried, and not made
        return {}


def _bound(secret: DeclaredSecret, bind: Bind, targets: Targets) -> NewCredential:
    try:
        return bind(targets)
    except CausewayError as error:
        raise secret.error(error.message) from None


def _check_stored(secret: DeclaredSecret, there: CredentialRecord | None) -> None:
    kind, name = secret.tokens
    if there is None:
        raise secret.error(
            f"The secret for {name!r} was kept by the gateway that this declaration is from, and this one has none: "
            "supply it here first, or refer to where the operator keeps it."
        )
    is_secret = secret.given.get("is_secret") is not False
    if kind == "headers" and there.details["is_secret"] != is_secret:
        raise secret.error(f"Whether {name!r} is a secret is said with its value: supply it again.")
