"""The device authorization grant (RFC 8628): a user agrees elsewhere, with a code, while we ask for the token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from converters.credentials import DEVICE_CODE, Secret
from converters.origins import requestable
from converters.token_requests import TokenAnswerError, read_answer, read_seconds

_INTERVAL: Final = 5.0
_MAX_INTERVAL: Final = 300.0
_MAX_LIFETIME: Final = 3600.0
_USER_CODE: Final = 64


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """What a user is told, and what we ask with (RFC 8628 section 3.2).

    `complete_url` holds the code already, or is ""; `lifetime` and `interval` are in seconds.
    """

    device_code: Secret
    user_code: str
    url: str
    complete_url: str
    lifetime: float
    interval: float

    def parameters(self) -> dict[str, str]:
        """Write the parameters of a request for the token (section 3.4)."""
        return {"grant_type": DEVICE_CODE, "device_code": self.device_code.reveal()}


def read_device_authorization(status: int, body: bytes) -> DeviceAuthorization:
    """Read the answer of a device authorization endpoint (RFC 8628 section 3.2).

    Raises:
        TokenAnswerError: with what is wrong; a `verification_uri` that is not http or https is never shown.

    """
    answer = read_answer(status, body)
    device, user = _text(answer.get("device_code")), _text(answer.get("user_code"))
    # Some servers keep the name of a draft.
    url = _url(answer.get("verification_uri", answer.get("verification_url")))
    if not device or not user or len(user) > _USER_CODE or not user.isprintable():
        raise TokenAnswerError(f"answered {status}, and its body holds no codes (RFC 8628 section 3.2).")
    if not url:
        raise TokenAnswerError(f"answered {status}, and its `verification_uri` is none that a browser may open.")
    lifetime, interval = read_seconds(answer.get("expires_in")), read_seconds(answer.get("interval"))
    return DeviceAuthorization(
        Secret(device),
        user,
        url,
        _url(answer.get("verification_uri_complete")),
        _MAX_LIFETIME if lifetime is None else min(lifetime, _MAX_LIFETIME),
        _INTERVAL if interval is None else min(interval, _MAX_INTERVAL),
    )


def _url(given: object) -> str:
    return requestable(given, "") if isinstance(given, str) else ""


def _text(given: object) -> str:
    return given if isinstance(given, str) else ""
