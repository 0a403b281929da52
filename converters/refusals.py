"""Why a call is not sent for want of a credential, in sentences that say what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converters.credentials import expected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.authorization import Lack, Reason, Refusal
    from converters.security import SecurityScheme

_MAX_ALTERNATIVES: Final = 5

_WHY: Final[Mapping[Reason, str]] = {
    "undeclared": "the description does not declare the scheme {name!r}, so nothing can be supplied for it; declare it",
    "unusable": "the scheme {name!r} ({summary}) cannot be used: {fault}",
    "absent": "no credential was supplied for the scheme {name!r} ({summary})",
    "detached": (
        "the credential of the scheme {name!r} ({summary}) was supplied for another origin than {origin}, "
        "so it is not sent there until it is supplied again"
    ),
    "unreadable": "the stored credential of the scheme {name!r} ({summary}) cannot be read; supply it again",
    "scopes": "the token of the scheme {name!r} ({summary}) does not cover {scopes}",
    "token_unsupported": (
        "the scheme {name!r} ({summary}) holds client credentials, and the description declares for it no usable URL "
        "where tokens are got with them; supply an access token"
    ),
    "token_detached": (
        "the client credentials of the scheme {name!r} ({summary}) were not supplied for the token URL at {origin}, "
        "so they are not sent there until they are supplied again"
    ),
    "plaintext": "the scheme {name!r} ({summary}) needs https, and {origin} is not",
    "header_detached": (
        "the server's header field {name!r} was supplied for another origin than {origin}, so it is not sent there "
        "until it is supplied again (`PUT .../headers/{name}`) or removed"
    ),
    "header_unreadable": (
        "the stored value of the server's header field {name!r} cannot be read; supply it again "
        "(`PUT .../headers/{name}`) or remove it"
    ),
    "conflict": "the scheme {name!r} ({summary}) goes where another scheme of the same alternative goes",
}
_SUPPLIED: Final = frozenset({"absent", "detached", "unreadable", "scopes", "token_unsupported", "token_detached"})


def explained(
    refusal: Refusal, schemes: Mapping[str, SecurityScheme], *, origin: str, place: str
) -> tuple[str, tuple[str, ...]]:
    """Give why no alternative can be used, and the names of the schemes that the nearest one lacks.

    `origin` is where the request would go, `place` the URL under which credentials are put, ending with `/`.
    """
    nearest = refusal.nearest
    sentences = [_sentence(each, schemes.get(each.scheme), origin) for each in nearest]
    text = f"It needs a credential: {'; '.join(sentences)}."
    others = [each for each in refusal.alternatives if each is not nearest][: _MAX_ALTERNATIVES - 1]
    if others:
        text += f" Instead of that, {' or '.join(_names(each) for each in others)} would do."
    for each in nearest:
        scheme = schemes.get(each.scheme)
        if scheme is not None and each.reason in _SUPPLIED:
            text += f" Supply it with PUT {place}{each.scheme} and the body {expected(scheme)}."
    return text, tuple(each.scheme for each in nearest)


def _sentence(lack: Lack, scheme: SecurityScheme | None, origin: str) -> str:
    return _WHY[lack.reason].format(
        name=lack.scheme,
        summary=scheme.summary if scheme else "",
        fault=scheme.fault if scheme else "",
        scopes=", ".join(lack.scopes),
        origin=lack.place or origin,
    )


def _names(lacks: tuple[Lack, ...]) -> str:
    return " and ".join(repr(each.scheme) for each in lacks)
