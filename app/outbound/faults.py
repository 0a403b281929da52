"""What goes wrong in an exchange, as errors of ours.

The client's own text is never shown: it may hold the URL with its query, or an address.
"""

from __future__ import annotations

import errno
import ssl
from typing import Final

import aiohttp
from aiohttp.http import HttpProcessingError

from app.errors import (
    UpstreamBusyError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamResetError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from app.outbound.policy import denied


class AddressDeniedError(OSError):
    """The policy does not permit `address`; an OSError, so that the client tries a name's next address."""

    def __init__(self, address: str) -> None:
        """Say so; the text does not name the address."""
        super().__init__("the egress policy does not permit this address")
        self.address = address


# No open file, memory or port is left for a connection: that says nothing about the API.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_CERTIFICATE: Final = "The API's certificate is not valid"

# The client's error, ours, the sentence, and whether the same request may well succeed soon. The first
# that fits counts.
_SENTENCES: Final[tuple[tuple[type[BaseException], type[UpstreamError], str, bool], ...]] = (
    (aiohttp.ServerTimeoutError, UpstreamTimeoutError, "The API could not be connected to in time.", False),
    (aiohttp.ClientSSLError, UpstreamUnreachableError, "A secure connection to the API could not be made.", False),
    (aiohttp.ClientConnectorDNSError, UpstreamUnreachableError, "The name of the API's host is not known.", False),
    (aiohttp.ClientConnectorError, UpstreamUnreachableError, "The API could not be reached.", True),
    (aiohttp.ClientPayloadError, UpstreamResetError, "The API broke off its answer.", True),
    (aiohttp.ServerDisconnectedError, UpstreamResetError, "The API closed the connection before answering.", True),
    (aiohttp.ClientConnectionError, UpstreamResetError, "The connection to the API broke.", True),
    (aiohttp.ClientResponseError, UpstreamProtocolError, "The proxy refused the request.", False),
    (HttpProcessingError, UpstreamProtocolError, "The API's answer is not valid HTTP.", False),
    (aiohttp.InvalidURL, UpstreamUnreachableError, "The URL of the API is not valid.", False),
    (OSError, UpstreamUnreachableError, "The API could not be reached.", True),
)
# What OpenSSL says of a certificate (X509_V_ERR_*), as the end of a sentence.
_CERTIFICATE_FAULTS: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "it is signed by an authority that is not trusted",
    20: "it is signed by an authority that is not trusted",
    62: "it is for another host",
    64: "it is for another host",
}


def translated(error: Exception) -> UpstreamError:
    """Turn an error of the client into ours."""
    if denied_address(error):
        return denied()
    if _errno(error) in _EXHAUSTED:
        return UpstreamBusyError("The gateway has no room for another connection: try again later.", retry_after=1.0)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UpstreamUnreachableError(_certificate_sentence(error.certificate_error))
    for kind, ours, sentence, is_transient in _SENTENCES:
        if isinstance(error, kind):
            return ours(sentence, is_transient=is_transient)
    return UpstreamProtocolError("The exchange with the API failed.")


def denied_address(error: Exception) -> str:
    """Give the address that the policy did not permit, "" where the error is another one. For the operator alone."""
    inner = getattr(error, "os_error", None)
    return inner.address if isinstance(inner, AddressDeniedError) else ""


def _errno(error: Exception) -> int | None:
    inner = getattr(error, "os_error", error)
    return inner.errno if isinstance(inner, OSError) else None


def _certificate_sentence(error: Exception) -> str:
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    fault = _CERTIFICATE_FAULTS.get(code)
    return f"{_CERTIFICATE}: {fault}." if fault else f"{_CERTIFICATE}."
