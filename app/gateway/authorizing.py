"""Credentials in a call: chosen before it is sent, masked in what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError, TokenFailedError
from converters.authorization import NO_AUTHORIZATION, NO_CREDENTIALS, Authorization, with_headers
from converters.masking import NO_MASK, together
from converters.refusals import explained
from converters.request_plans import Piece

if TYPE_CHECKING:
    from app.gateway.ports import TokenSource
    from app.gateway.snapshots import ServerSnapshot, ServerTool
    from app.security.callers import Caller
    from converters.authorization import HeldCredentials, Refusal
    from converters.credentials import Secret
    from converters.masking import Masking
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse, ToolResult
    from converters.token_requests import TokenRequest

_REFUSED: Final = frozenset({401, 403})


class CredentialMissingError(CausewayError):
    """The credentials at hand satisfy no alternative of the operation; `schemes` are those that the nearest lacks."""

    code = "credential_missing"

    def __init__(self, message: str, schemes: tuple[str, ...]) -> None:
        """Keep the sentence and the names."""
        super().__init__(message)
        self.schemes = schemes


class WithoutCredentials:
    """The `CredentialSource` of a gateway that has none: what needs a credential is refused."""

    def held(self, namespace: str, server: str) -> HeldCredentials:  # noqa: ARG002 - the port's signature
        """Give no credentials."""
        return NO_CREDENTIALS


class WithoutTokens:
    """The `TokenSource` of a gateway that gets none: what needs a token is refused."""

    async def token(
        self,
        server: str,  # noqa: ARG002 - the port's signature
        request: TokenRequest,
        *,
        caller: Caller,  # noqa: ARG002 - the port's signature
        authorities: str,  # noqa: ARG002 - the port's signature
        refused: Secret | None = None,  # noqa: ARG002 - the port's signature
    ) -> Secret:
        """Refuse."""
        raise TokenFailedError(f"This gateway gets no tokens for the security scheme {request.scheme!r}.")

    def mask(self, server: str, caller: Caller) -> Masking:  # noqa: ARG002 - the port's signature
        """Mask nothing."""
        return NO_MASK


class CallMask:
    """Masks the secrets of one server: what owners supplied, and the tokens as they are when something is masked."""

    def __init__(self, server: str, held: HeldCredentials, tokens: TokenSource, caller: Caller) -> None:
        """Take what is masked for `caller`; a token that is got during a call is masked in what comes after it."""
        self._server = server
        self._caller = caller
        self._held = held
        self._tokens = tokens

    def now(self) -> Masking:
        """Give what masks the secrets that are known now."""
        return together(self._held.mask, self._tokens.mask(self._server, self._caller))

    def text(self, text: str) -> str:
        """Give the text with the mask in the place of every secret."""
        return self.now().text(text)

    def body(self, body: bytes) -> bytes:
        """Give the body with the mask in the place of every secret."""
        return self.now().body(body)


def authorized(tool: ServerTool, snapshot: ServerSnapshot, held: HeldCredentials) -> Authorization:
    """Choose what the request of a call carries.

    Raises:
        CredentialMissingError: with what is missing, and how to supply it.

    """
    outcome = tool.authorization(held)
    if isinstance(outcome, Authorization):
        return outcome
    if not (snapshot.policies.require_credentials or held.by_scheme):
        outcome = with_headers(NO_AUTHORIZATION, held.headers, tool.base)
        if isinstance(outcome, Authorization):
            return outcome
    text, missing = _lacking(outcome, tool, snapshot)
    raise CredentialMissingError(f"The call of {tool.definition.name} was not sent. {text}", missing)


def _lacking(refusal: Refusal, tool: ServerTool, snapshot: ServerSnapshot) -> tuple[str, tuple[str, ...]]:
    return explained(refusal, snapshot.security_schemes, origin=tool.origin, place=snapshot.credentials_path)


def previewed(plan: RequestPlan, tool: ServerTool, snapshot: ServerSnapshot, held: HeldCredentials) -> RequestPlan:
    """Give the plan with masks where credentials would stand, and the security schemes among its pieces.

    Raises:
        CredentialMissingError: as `authorized` does.

    """
    authorization = authorized(tool, snapshot, held)
    shown = authorization.applied(plan.url, plan.headers, is_masked=True)
    pieces = (*plan.pieces, *(Piece(*part) for part in authorization.parts()))
    return replace(plan, url=shown.url, headers=shown.headers, pieces=pieces)


def masked(response: ApiResponse, mask: Masking) -> ApiResponse:
    """Give a response without any secret of the server that the API gave back (acceptance K03)."""
    fields = ("reason", "content_type", "content_location")
    told = f"{response.reason}\n{response.content_type}\n{response.content_location}"
    if mask.text(told) is told and mask.body(response.body) is response.body:
        return response
    changed: dict[str, Any] = {name: mask.text(getattr(response, name)) for name in fields}
    changed["body"] = mask.body(response.body)
    changed = {name: value for name, value in changed.items() if value is not getattr(response, name)}
    return replace(response, **changed) if changed else response


def told(
    result: ToolResult, tool: ServerTool, snapshot: ServerSnapshot, held: HeldCredentials, *, status: int
) -> ToolResult:
    """Say in the result of a 401 or 403 which credentials the request carried, or why none."""
    if status not in _REFUSED:
        return result
    authorization = tool.authorization(held)
    if not isinstance(authorization, Authorization):
        text = f"The request carried no credential. {_lacking(authorization, tool, snapshot)[0]}"
    elif authorization.schemes:
        used = " and ".join(f"{each.name!r} ({each.summary})" for each in authorization.schemes)
        text = f"The request carried the credential of the security scheme {used}; the API did not accept it."
    else:
        text = (
            "The request carried no credential, because the description asks for none: if the API needs one, declare "
            "`security` for the operation, in the description or by an overlay."
        )
    block: dict[str, Any] = {"type": "text", "text": text}
    return replace(result, content=(*result.content, block))
