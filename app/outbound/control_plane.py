"""A client of another gateway's control plane, for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import httpx2

from app.errors import CausewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT: Final = httpx2.Timeout(30, read=180)
_NOT_ALLOWED: Final = frozenset({401, 403})
_SERVER_ERRORS: Final = 500


class ControlPlaneError(CausewayError):
    """The gateway cannot be reached, lets nobody in, or is not able to answer."""

    code = "control_plane"


class RefusedError(CausewayError):
    """The gateway refused a request: the members of its problem (RFC 9457), and the status."""

    code = "refused"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Keep what was said."""
        detail = str(problem.get("detail") or f"The gateway answered {status}.")
        super().__init__(" ".join(part for part in (detail, str(problem.get("remedy", ""))) if part))
        self.status = status
        self.problem = problem
        self.problem_code = str(problem.get("code", ""))


class ControlPlaneClient:
    """Requests to the control plane of the gateway at a URL; use it as a context."""

    def __init__(self, url: str, *, key: str | None) -> None:
        """Send `key` with every request; raises `ControlPlaneError` for what is no URL of a gateway."""
        parts = _parts(url)
        if parts is None:
            raise ControlPlaneError("The gateway must be an http(s) URL without credentials.")
        self._host = parts
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(
            base_url=f"{url.rstrip('/')}/api/v1/", headers=headers, timeout=_TIMEOUT, trust_env=False
        )

    def __enter__(self) -> Self:
        """Open connections as they are needed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Send a request with httpx's arguments; gives the answer's JSON object, empty where there is none to give.

        Raises:
            ControlPlaneError: when there is no answer of a gateway, or none to this caller.
            RefusedError: when the gateway says no.

        """
        answer = self._answer(method, path, **request)
        found = {} if not answer.content else answer.json() if _is_json(answer) else None
        if not isinstance(found, dict):
            raise self._stranger()
        return found

    def content(self, path: str) -> bytes:
        """Download something as it is; raises as `request` does."""
        return self._answer("GET", path).content

    def _answer(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **request)
        except (httpx2.HTTPError, OSError):
            raise ControlPlaneError(f"{self._host} cannot be reached.") from None
        if answer.is_success:
            return answer
        if not _is_json(answer):
            raise self._stranger()
        refused = RefusedError(answer.status_code, answer.json())
        if answer.status_code in _NOT_ALLOWED or answer.status_code >= _SERVER_ERRORS:
            raise ControlPlaneError(f"{self._host}: {refused.message}")
        raise refused

    def _stranger(self) -> ControlPlaneError:
        return ControlPlaneError(f"{self._host} does not answer as a gateway does.")


def _parts(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return None
    is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    return parts.netloc if is_url and has_port and not parts.query else None


def _is_json(answer: httpx2.Response) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    return kind in {"application/json", "application/problem+json"}
