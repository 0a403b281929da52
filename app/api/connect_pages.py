"""What a user reads while connecting an account; every text that is not ours is escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.services.connecting import Consent

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:4em auto;padding:0 1em;color:#222;background:#fff}"
    "h1{font-size:1.4em}dt{font-weight:600;margin-top:.6em}dd{margin:0;overflow-wrap:anywhere}"
    "button{font:inherit;padding:.5em 1.2em;margin-top:1.5em}"
)
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The style sheet as a Content-Security-Policy names it."""


def consent_page(asked: Consent) -> str:
    """Ask whether an account is to be connected."""
    scopes = ", ".join(asked.scopes) or "what the authorization server grants by itself"
    facts = _facts(
        ("MCP server", f"{asked.title} ({asked.server})"),
        ("API that is called with it", asked.api),
        ("Permissions that are asked for", scopes),
        ("Who may use it", asked.subject),
        ("Where you sign in", asked.provider),
    )
    return _page(
        f"Connect your account to {asked.title}",
        f"<p>Calls of this server by the user below will be made with your account, until you end that.</p>{facts}"
        "<p><strong>Go on only if you have just asked for this yourself.</strong> If somebody sent you this link, "
        "close the page: the account would be theirs to use.</p>"
        '<form method="post"><button type="submit">Continue to sign in</button></form>',
    )


def done_page(connected: Consent) -> str:
    """Say that the account is connected."""
    facts = _facts(("MCP server", f"{connected.title} ({connected.server})"), ("API", connected.api))
    return _page("Your account is connected", f"<p>Close this page, and make the call again.</p>{facts}")


def refusal_page(sentence: str) -> str:
    """Say why it did not work."""
    return _page("The account was not connected", f"<p>{escape(sentence)}</p>")


def _facts(*facts: tuple[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in facts)}</dl>"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main>"
        "</body></html>"
    )
