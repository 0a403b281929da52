"""The service's error tree: every error a user can meet has a stable `code`.

`app.api.problems` maps codes to HTTP statuses; the command line maps them to exit codes.
"""

from __future__ import annotations

from typing import ClassVar


class CausewayError(Exception):
    """Base of every error this service raises on purpose.

    `code` is stable and machine-readable; the message is one sentence for a person and never holds a secret,
    a file path of ours or an internal address.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        """Keep the sentence that is shown to the user."""
        super().__init__(message)
        self.message = message


class TooManyRequestsError(CausewayError):
    """Somebody asks for more than they may; `retry_after` is how many seconds to wait."""

    code = "too_many_requests"

    def __init__(self, message: str, retry_after: int) -> None:
        """Keep the sentence and the seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class UpstreamError(CausewayError):
    """The API behind a tool gave no usable answer; its sentence is fit for the caller and holds no URL query.

    `is_transient` says that the same request, sent again soon, may well succeed; `retry_after` is how many seconds to
    leave the API alone, where that is known.
    """

    code = "upstream_error"

    def __init__(self, message: str, *, is_transient: bool = False, retry_after: float | None = None) -> None:
        """Keep the sentence, and what is known about trying again."""
        super().__init__(message)
        self.is_transient = is_transient
        self.retry_after = retry_after


class UpstreamTimeoutError(UpstreamError):
    """The API did not answer in time."""

    code = "upstream_timeout"


class UpstreamUnreachableError(UpstreamError):
    """No connection to the API could be made."""

    code = "upstream_unreachable"


class UpstreamResetError(UpstreamError):
    """The API closed the connection before its answer was whole."""

    code = "upstream_reset"


class UpstreamProtocolError(UpstreamError):
    """The API answered with something that is not HTTP, or with headers beyond the limits."""

    code = "upstream_protocol"


class UpstreamUnavailableError(UpstreamError):
    """The API has failed so often that calls to it are paused; nothing was sent."""

    code = "upstream_unavailable"


class UpstreamBusyError(UpstreamError):
    """As many calls of the API as are permitted, or as the gateway has room for, are under way; nothing was sent."""

    code = "upstream_busy"


class AuditUnavailableError(UpstreamError):
    """The call could not be in the audit, which this gateway requires; nothing was sent."""

    code = "audit_unavailable"


class ResponseTooLargeError(UpstreamError):
    """The answer is larger than the limit."""

    code = "response_too_large"


class EgressDeniedError(UpstreamError):
    """The egress policy does not let requests go there."""

    code = "egress_denied"


class TokenFailedError(UpstreamError):
    """No access token was got for a call, so that it was not sent.

    `reason` is the part of the sentence that says what the authorization server did, `error` its code (RFC 6749 section
    5.2) or "", and `interval` the seconds it wants between two requests, where it says so.
    """

    code = "credential_token_failed"

    def __init__(
        self,
        message: str,
        *,
        is_transient: bool = False,
        retry_after: float | None = None,
        reason: str = "",
        error: str = "",
        interval: float | None = None,
    ) -> None:
        """Keep the sentence, and what the authorization server said."""
        super().__init__(message, is_transient=is_transient, retry_after=retry_after)
        self.reason = reason
        self.error = error
        self.interval = interval


class AuthorizationRequiredError(UpstreamError):
    """The API wants to know which user calls, and this one has not connected an account; `url` is where to do it."""

    code = "authorization_required"

    def __init__(self, message: str, *, url: str) -> None:
        """Keep the sentence, which names the URL, and the URL."""
        super().__init__(message)
        self.url = url


class ReconnectRequiredError(AuthorizationRequiredError):
    """The user had connected an account, and the authorization server does not renew what it gave."""

    code = "reconnect_required"


class RedirectDeniedError(UpstreamError):
    """The API redirected to another origin, or too often."""

    code = "redirect_denied"
