"""TLS of one server's calls: whom they trust, and the certificate they show (mutualTLS, OAS 3.1 section 4.8.27)."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from converters.credentials import ClientCertificate

_MAX_CONTEXTS: Final = 1_000


class TlsContexts:
    """Contexts, each made once: connections are used again only by requests with the same one."""

    def __init__(self) -> None:
        """Start without any."""
        self._made: dict[tuple[str, ClientCertificate | None], ssl.SSLContext] = {}

    def find(self, authorities: str, certificate: ClientCertificate | None) -> ssl.SSLContext | None:
        """Give the context for these; None where neither is given and the usual one does."""
        if not authorities and certificate is None:
            return None
        key = (authorities, certificate)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MAX_CONTEXTS:
                self._made.clear()
            made = self._made[key] = context(authorities, certificate)
        return made


def context(authorities: str, certificate: ClientCertificate | None = None) -> ssl.SSLContext:
    """Make a client's context that trusts `authorities` (PEM), "" being those of the system, and shows `certificate`.

    Raises:
        ValueError: when one of them cannot be used.

    """
    try:
        made = ssl.create_default_context(cadata=authorities or None)
        if certificate is not None:
            _load(made, certificate)
    except (ssl.SSLError, OSError, ValueError):
        raise ValueError("The certificates cannot be used.") from None
    return made


def widened(authorities: str) -> ssl.SSLContext:
    """Make a client's context that trusts `authorities` (PEM) beside those of the system.

    For what belongs to an API without being it: its authorization server may be of the same company, or a public one.
    """
    made = ssl.create_default_context()
    made.load_verify_locations(cadata=authorities)
    return made


def _load(made: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Load a certificate; `ssl` reads files only, so from one in memory, or where there are none a brief one."""
    content = (certificate.certificate + certificate.private_key.reveal()).encode()
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            made.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
        finally:
            os.close(descriptor)
        return
    # Readable by its owner only, and gone before anything is sent.
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        made.load_cert_chain(name, password=_no_password)
    finally:
        Path(name).unlink()


def _no_password() -> str:
    """Answer the question for a password, which would otherwise be asked on the terminal."""
    return ""
