"""oauth2 by authorization code with PKCE: each user connects an account of their own, in a browser.

The first test is the documentation: what the description says, what an owner supplies, what happens, what arrives.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from app.api.connect import create_connect_pages
from app.registry.errors import ConnectionNotFound
from app.security.callers import EVERY, Caller
from tests.app.credentials.apis import CREDENTIALS, call, secured, text
from tests.app.credentials.token_server import CLIENT, serving
from tests.app.credentials.user_server import REDIRECT_URI, Scene, query_of, user_scene
from tests.app.gateways import KEY, PUBLIC_URL, SERVERS, Gateway

CONNECTIONS = f"{SERVERS}/pets/connections"


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with user_scene(served) as made:
        yield made


async def test_a_user_connects_an_account_by_the_link_that_the_call_answers_with(scene: Scene) -> None:
    # The description: flows.authorizationCode with authorizationUrl and tokenUrl, and `security: [{oauth: [read]}]`.
    document = secured([{"oauth": ["read"]}], schemes=scene.schemes())
    await scene.gateway.create(document, base_url=scene.api.url)
    # The owner: the client, registered with the redirect URI `{PUBLIC_URL}/connect/callback`.
    stored = (await scene.gateway.http.put(f"{CREDENTIALS}/oauth", json=CLIENT)).json()
    assert (stored["grant_type"], stored["token_origins"]) == ("authorization_code", [scene.authorization.url])

    # A call without an account is not sent, and its answer holds a link.
    result = await call(scene.gateway)
    assert (result["isError"], result["_meta"]["causeway/code"]) == (True, "authorization_required")
    link = result["_meta"]["causeway/url"]
    assert link.startswith(f"{PUBLIC_URL}/connect/default/pets/oauth?ticket=")
    assert link in text(result)
    assert scene.api.requests == []

    # The page says what is asked for; nothing is begun by looking at it.
    page = await scene.browser.get(link)
    for fact in ("Pets", scene.api.url, "read", "admin", scene.authorization.url):
        assert fact in page.text
    assert "set-cookie" not in page.headers
    # Who agrees is sent to the authorization server (RFC 6749 section 4.1.1, RFC 7636 section 4.3).
    sent = await scene.browser.post(link)
    asked = query_of(sent.headers["location"])
    assert sent.headers["location"].startswith(f"{scene.authorization.url}/authorize?tenant=1&")
    assert {name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope")} == {
        "response_type": "code",
        "client_id": CLIENT["client_id"],
        "redirect_uri": REDIRECT_URI,
        "scope": "read",
    }
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) == 43
    # It sends the browser back with a code, which is exchanged for the tokens.
    async with httpx2.AsyncClient(trust_env=False) as outside:
        back = await outside.get(sent.headers["location"])
    done = await scene.browser.get(back.headers["location"])
    assert (done.status_code, "Your account is connected" in done.text) == (200, True)

    # The API gets the user's token.
    assert (await call(scene.gateway))["isError"] is False
    assert scene.api.requests[0].values("Authorization") == [f"Bearer {scene.state.issued[0]}"]
    # What may be known of the connection; the tokens are not among it.
    (shown,) = (await scene.gateway.http.get(CONNECTIONS)).json()["items"]
    assert {name: shown[name] for name in ("scheme", "subject", "scopes", "granted_scopes", "needs_reconnect")} == {
        "scheme": "oauth",
        "subject": "admin",
        "scopes": ["read"],
        "granted_scopes": ["read"],
        "needs_reconnect": False,
    }
    assert "canary.token" not in json.dumps(shown)
    assert (await scene.gateway.http.delete(f"{CONNECTIONS}/oauth")).status_code == 204
    assert (await call(scene.gateway))["_meta"]["causeway/code"] == "authorization_required"
    assert (await scene.gateway.http.delete(f"{CONNECTIONS}/oauth")).json()["code"] == "connection_not_found"


def caller(subject: str) -> Caller:
    return Caller(subject, frozenset({"call"}), EVERY)


async def call_as(scene: Scene, subject: str) -> dict[str, Any]:
    """Call the tool as another caller than the one with the key."""
    application = scene.gateway.application
    snapshot = application.catalog.find("default", "pets")
    assert snapshot is not None
    return (await application.serving.calls.call(snapshot, "get_pet", {}, caller=caller(subject))).to_json()


async def test_one_user_s_account_is_not_another_s(scene: Scene) -> None:
    """Acceptance K11: only one user is connected; the other is asked to, and the one's token is not used."""
    await scene.start()
    first = await call_as(scene, "key:1")
    await scene.browser.get((await scene.agree(first["_meta"]["causeway/url"])).headers["location"])
    assert (await call_as(scene, "key:1"))["isError"] is False
    other = await call_as(scene, "key:2")
    assert other["_meta"]["causeway/code"] == "authorization_required"
    assert len(scene.api.requests) == 1
    await scene.browser.get((await scene.agree(other["_meta"]["causeway/url"])).headers["location"])
    await call_as(scene, "key:2")
    await call_as(scene, "key:1")
    sent = [each.values("Authorization")[0] for each in scene.api.requests]
    assert sent == [f"Bearer {scene.state.issued[index]}" for index in (0, 1, 0)]
    # Each sees and ends their own, an administrator all.
    connections = scene.gateway.application.secrets.connections
    own = await connections.list("default", "pets", caller=caller("key:2"))
    assert [each.subject for each in own] == ["key:2"]
    with pytest.raises(ConnectionNotFound):
        await connections.delete("default", "pets", "oauth", caller=caller("key:3"), subject="key:1")
    shown = (await scene.gateway.http.get(CONNECTIONS)).json()["items"]
    assert [each["subject"] for each in shown] == ["key:1", "key:2"]
    assert (await scene.gateway.http.delete(f"{CONNECTIONS}/oauth?subject=key:1")).status_code == 204
    assert (await call_as(scene, "key:1"))["_meta"]["causeway/code"] == "authorization_required"


async def test_nothing_that_the_caller_showed_reaches_the_api_or_the_authorization_server(scene: Scene) -> None:
    """Acceptance K09."""
    await scene.start()
    scene.gateway.http.headers.update({"Cookie": "canary=1", "Proxy-Authorization": "Basic canary"})
    try:
        await scene.connect()
        await call(scene.gateway)
    finally:
        del scene.gateway.http.headers["Cookie"], scene.gateway.http.headers["Proxy-Authorization"]
    seen = [f"{each.line}{each.headers}{each.body!r}" for each in [*scene.api.requests, *scene.authorization.requests]]
    assert len(seen) == 3
    assert [each for each in seen if KEY in each or "canary=1" in each or "Basic canary" in each] == []


# --- the way there and back (acceptance K12)


async def refused(answer: httpx2.Response, sentence: str) -> None:
    assert answer.status_code == 400
    assert sentence in answer.text
    assert "The account was not connected" in answer.text


async def test_a_state_works_once(scene: Scene) -> None:
    await scene.start()
    back = (await scene.agree(await scene.link())).headers["location"]
    cookies = dict(scene.browser.cookies)
    assert (await scene.browser.get(back)).status_code == 200
    assert dict(scene.browser.cookies) == {}, "the cookie goes with the attempt"
    scene.browser.cookies.update(cookies)
    await refused(await scene.browser.get(back), "was used before")
    assert len(scene.state.issued) == 1


async def test_another_browser_than_the_one_that_agreed_is_refused(scene: Scene) -> None:
    await scene.start()
    back = (await scene.agree(await scene.link())).headers["location"]
    scene.browser.cookies.clear()
    await refused(await scene.browser.get(back), "not the one that began")
    assert scene.state.issued == []
    # The attempt is over, for the right browser as well.
    await refused(await scene.browser.get(back), "was used before")


async def test_the_cookie_of_another_attempt_is_none_of_this_one(scene: Scene) -> None:
    await scene.start()
    link = await scene.link()
    first = (await scene.agree(link)).headers["location"]
    (name,) = scene.browser.cookies
    binding = scene.browser.cookies[name]
    scene.browser.cookies.clear()
    second = (await scene.agree(link)).headers["location"]
    (other,) = scene.browser.cookies
    assert other != name
    scene.browser.cookies.clear()
    scene.browser.cookies.set(other, binding)
    await refused(await scene.browser.get(second), "not the one that began")
    scene.browser.cookies.clear()
    scene.browser.cookies.set(name, binding)
    assert (await scene.browser.get(first)).status_code == 200


@pytest.mark.parametrize("sent", ["?code=x&state=unknown", "?code=x", "", "?error=access_denied"])
async def test_who_was_not_sent_does_not_come_back(scene: Scene, sent: str) -> None:
    await refused(await scene.browser.get(f"/connect/callback{sent}"), "was not begun here")


async def test_a_parameter_that_comes_twice_is_refused(scene: Scene) -> None:
    await scene.start()
    back = (await scene.agree(await scene.link())).headers["location"]
    await refused(await scene.browser.get(f"{back}&code=other"), "a parameter twice")


async def test_a_user_who_does_not_agree_is_told_and_nothing_is_kept(scene: Scene) -> None:
    await scene.start()
    scene.state.told = {"code": "", "error": "access_denied", "error_description": "<b>No</b>\u202e"}
    page = await scene.connect()
    await refused(page, "did not agree: access_denied: &lt;b&gt;No&lt;/b&gt;?.")
    assert scene.state.forms == []


METADATA = "/.well-known/oauth-authorization-server"


def with_metadata(scene: Scene, **metadata: Any) -> dict[str, Any]:
    url = scene.authorization.url
    scene.state.metadata = {"issuer": url, "token_endpoint": f"{url}/token", **metadata}
    schemes = scene.schemes()
    schemes["oauth"]["oauth2MetadataUrl"] = f"{url}{METADATA}"
    return schemes


@pytest.mark.parametrize(
    ("told", "has_metadata", "sentence"),
    [
        ({}, True, "does not say which authorization server"),
        ({"iss": "https://evil.example"}, True, "from another authorization server"),
        ({"iss": "https://evil.example"}, False, "from another authorization server"),
        ({"iss": "not a url"}, False, "from another authorization server"),
        ({"iss": "URL/"}, True, "from another authorization server"),
        ({"iss": "URL"}, True, ""),
        ({"iss": "URL"}, False, ""),
        ({}, False, ""),
    ],
)
async def test_the_issuer_of_the_answer_is_checked(
    scene: Scene, told: dict[str, str], has_metadata: bool, sentence: str
) -> None:
    """RFC 9207 section 2.4: where the metadata (RFC 8414) say that it is told, it must be there and theirs."""
    schemes = with_metadata(scene, authorization_response_iss_parameter_supported=True) if has_metadata else None
    await scene.start(schemes)
    scene.state.told = {name: value.replace("URL", scene.authorization.url) for name, value in told.items()}
    page = await scene.connect()
    if sentence:
        await refused(page, sentence)
        assert scene.state.issued == []
    else:
        assert page.status_code == 200, page.text


async def test_an_authorization_server_without_pkce_is_refused(scene: Scene) -> None:
    await scene.start(with_metadata(scene, code_challenge_methods_supported=["plain"]))
    await refused(await scene.browser.get(await scene.link()), "does not know PKCE with S256")


async def test_the_redirect_uri_is_the_gateway_s_own_whatever_is_asked_for(scene: Scene) -> None:
    await scene.start()
    link = f"{await scene.link()}&redirect_uri=https://evil.example/&state=mine&code_challenge_method=plain"
    asked = query_of((await scene.browser.post(link)).headers["location"])
    assert (asked["redirect_uri"], asked["code_challenge_method"]) == (REDIRECT_URI, "S256")
    assert asked["state"] != "mine"


async def test_the_page_is_shown_in_no_frame_and_runs_no_script(scene: Scene) -> None:
    """Acceptance W01 and W04 for these pages."""
    document = secured([{"oauth": ["read<script>"]}], schemes=scene.schemes())
    document["info"]["title"] = "<script>alert(1)</script>"
    await scene.gateway.create(document, base_url=scene.api.url)
    await scene.supply()
    page = await scene.browser.get(await scene.link())
    policy = dict(each.strip().partition(" ")[::2] for each in page.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert policy["form-action"] == "'self' http:"
    assert page.headers["x-frame-options"] == "DENY"
    assert (page.headers["x-content-type-options"], page.headers["cache-control"]) == ("nosniff", "no-store")
    assert page.headers["referrer-policy"] == "same-origin"
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy["style-src"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "none"},
    ],
)
async def test_only_our_own_page_begins_anything(scene: Scene, headers: dict[str, str]) -> None:
    """Acceptance W03: a foreign page that posts a link of its own does not connect the visitor's account."""
    await scene.start()
    answer = await scene.browser.post(await scene.link(), headers=headers)
    await refused(answer, "not sent by the page of this gateway")
    assert "set-cookie" not in answer.headers


async def test_a_foreign_site_is_refused_at_the_door(scene: Scene) -> None:
    await scene.start()
    answer = await scene.browser.post(await scene.link(), headers={"Origin": "https://evil.example"})
    assert answer.json()["code"] == "origin_denied"


async def test_a_ticket_is_not_guessed_changed_or_used_elsewhere(scene: Scene) -> None:
    await scene.start()
    await scene.gateway.create(
        secured([{"oauth": ["read"]}], schemes=scene.schemes()), name="dogs", base_url=scene.api.url
    )
    link = await scene.link()
    place, _, ticket = link.partition("?ticket=")
    changed = ticket[:-2] + ("A" if ticket[-2] != "A" else "B") + ticket[-1]
    for each in (
        place,
        f"{place}?ticket=",
        f"{place}?ticket=x.y",
        f"{place}?ticket={changed}",
        f"{place}?ticket={ticket[:40]}",
        f"{place}?ticket=é.{ticket}",
        f"{link.replace('/pets/', '/dogs/')}",
        f"{link.replace('/oauth?', '/other?')}",
    ):
        await refused(await scene.browser.get(each), "This link is not valid")
        await refused(await scene.browser.post(each), "This link is not valid")
    assert "admin" not in link


async def test_a_link_expires(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.start()
    link = await scene.link()
    links = scene.gateway.application.secrets.user_tokens._links  # noqa: SLF001 - its clock
    monkeypatch.setattr(links, "_clock", lambda: time.time() + 901)
    await refused(await scene.browser.get(link), "This link has expired")


async def test_what_changed_since_the_link_was_made_ends_it(scene: Scene) -> None:
    await scene.start()
    link = await scene.link()
    back = (await scene.agree(link)).headers["location"]
    await scene.supply(client_id="another")
    await refused(await scene.browser.get(back), "has changed since")
    await scene.gateway.http.delete(f"{CREDENTIALS}/oauth")
    await refused(await scene.browser.get(link), "has changed since")
    await scene.gateway.http.delete(f"{SERVERS}/pets")
    await refused(await scene.browser.get(link), "has changed since")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ftp://x.example/"])
async def test_an_authorization_endpoint_that_is_no_web_page_is_never_linked(scene: Scene, url: str) -> None:
    """Acceptance W09: from the description, and from metadata."""
    await scene.start(scene.schemes(authorizationUrl=url))
    result = await call(scene.gateway)
    assert result["_meta"]["causeway/code"] == "credential_missing"
    assert "no usable URL" in text(result)
    assert url not in json.dumps(result)
    discovered = f"{scene.authorization.url}/.well-known/openid-configuration"
    with_metadata(scene, authorization_endpoint=url)
    schemes = {"oauth": {"type": "openIdConnect", "openIdConnectUrl": discovered}}
    document = secured([{"oauth": ["openid"]}], schemes=schemes)
    await scene.gateway.http.put(f"{SERVERS}/pets/document", json={"document": document})
    await scene.supply(grant_type="authorization_code")
    page = await scene.browser.get(await scene.link())
    await refused(page, "name no endpoint that may be opened")
    assert url not in page.text


async def test_the_error_of_the_token_endpoint_is_told_without_the_secrets_that_it_repeats(scene: Scene) -> None:
    """Acceptance K03, for the pages."""
    await scene.start(client_secret="canary-wrong-secret")
    page = await scene.connect()
    await refused(page, "No token was got: the token endpoint")
    assert "invalid_client" in page.text
    assert [each for each in ("canary-wrong", "canary-code", "code_verifier=a") if each in page.text] == []


async def test_the_cookie_of_an_https_gateway_is_bound_to_its_host(scene: Scene) -> None:
    """The prefix `__Host-` (RFC 6265bis section 4.1.3.2): secure, for this host and the whole of it."""
    await scene.start()
    link = await scene.link()
    pages = create_connect_pages(scene.gateway.application.secrets.connecting, public_url="https://gw.example")
    transport = httpx2.ASGITransport(pages)
    async with httpx2.AsyncClient(transport=transport, base_url="https://gw.example") as browser:
        sent = await browser.post(link.replace(PUBLIC_URL, ""), headers={"Origin": "https://gw.example"})
    cookie = sent.headers["set-cookie"]
    assert cookie.startswith("__Host-causeway-connect-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


# --- what a connection is for


async def test_a_public_client_shows_its_id_alone(scene: Scene) -> None:
    scene.state.is_public = True
    await scene.start(client_secret=None)
    await scene.connect()
    (form,) = scene.state.forms
    assert (form["client_id"], "client_secret" in form) == (CLIENT["client_id"], False)
    assert (await call(scene.gateway))["isError"] is False


async def test_open_id_connect_by_its_metadata(scene: Scene) -> None:
    url = scene.authorization.url
    with_metadata(scene, authorization_endpoint=f"{url}/authorize", authorization_response_iss_parameter_supported=True)
    scene.state.told = {"iss": url}
    schemes = {"oauth": {"type": "openIdConnect", "openIdConnectUrl": f"{url}/.well-known/openid-configuration"}}
    await scene.start(schemes, grant_type="authorization_code")
    assert (await scene.connect()).status_code == 200
    assert (await call(scene.gateway))["isError"] is False


async def test_an_operation_with_further_scopes_asks_the_user_again_for_all_of_them(scene: Scene) -> None:
    document = secured([{"oauth": ["read"]}], schemes=scene.schemes())
    item = document["paths"]["/pets"]
    item["delete"] = {**item["get"], "operationId": "delete_pets", "security": [{"oauth": ["write"]}]}
    await scene.gateway.create(document, base_url=scene.api.url)
    await scene.supply()
    await scene.connect()
    result = await call(scene.gateway, "delete_pets")
    assert result["_meta"]["causeway/code"] == "authorization_required"
    back = await scene.agree(result["_meta"]["causeway/url"])
    assert scene.state.asked[-1]["scope"] == "read write"
    await scene.browser.get(back.headers["location"])
    assert (await call(scene.gateway, "delete_pets"))["isError"] is False
    assert (await call(scene.gateway))["isError"] is False


async def test_a_server_that_is_made_anew_has_no_accounts(scene: Scene) -> None:
    """The tokens go with the server, from memory as well."""
    await scene.start()
    await scene.connect()
    assert (await call(scene.gateway))["isError"] is False
    await scene.gateway.http.delete(f"{SERVERS}/pets")
    await scene.start()
    assert (await call(scene.gateway))["_meta"]["causeway/code"] == "authorization_required"


async def test_tokens_stay_with_the_api_they_were_given_for(scene: Scene) -> None:
    """Acceptance K14: whoever moves the API and binds the client anew does not get the users' tokens there."""
    await scene.start()
    await scene.connect()
    await call(scene.gateway)
    async with serving(scene.state.api) as other:
        await scene.gateway.http.patch(f"{SERVERS}/pets", json={"base_url": other.url})
        assert "was supplied for another origin" in text(await call(scene.gateway))
        await scene.supply()
        assert (await call(scene.gateway))["_meta"]["causeway/code"] == "authorization_required"
        assert other.requests == []


# --- ending a connection


async def connected_by_metadata(scene: Scene, **metadata: Any) -> None:
    """Connect an account at a server whose metadata say all."""
    url = scene.authorization.url
    with_metadata(scene, authorization_endpoint=f"{url}/authorize", **metadata)
    discovered = {"type": "openIdConnect", "openIdConnectUrl": f"{url}/.well-known/openid-configuration"}
    await scene.start({"oauth": discovered}, grant_type="authorization_code")
    await scene.connect()


async def test_a_connection_that_is_ended_is_revoked_where_the_metadata_say(scene: Scene) -> None:
    """RFC 7009: the refresh token first, as the client; what was revoked is good no more."""
    await connected_by_metadata(scene, revocation_endpoint=f"{scene.authorization.url}/revoke")
    refresh, access = scene.state.refreshable.copy(), scene.state.issued[-1]
    assert (await scene.gateway.http.delete(f"{CONNECTIONS}/oauth")).status_code == 204
    assert scene.state.revoked == [("refresh_token", *refresh), ("access_token", access)]
    assert access not in scene.state.live


@pytest.mark.parametrize("case", ["no endpoint", "away", "refused", "closed", "plaintext"])
async def test_a_connection_ends_whatever_the_authorization_server_answers(
    scene: Scene, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it hold what is not named, lies behind the egress policy, or is less protected than the metadata."""
    places = {"no endpoint": "", "closed": "http://169.254.169.254/revoke", "plaintext": "ftp://a.example/revoke"}
    named = places.get(case, f"{scene.authorization.url}/revoke")
    await connected_by_metadata(scene, **({"revocation_endpoint": named} if named else {}))
    if case == "refused":
        scene.state.status = "503 Service Unavailable"
    if case == "away":
        await scene.supply(client_secret="another-secret", grant_type="authorization_code")
    assert (await scene.gateway.http.delete(f"{CONNECTIONS}/oauth")).status_code == 204
    assert (await scene.gateway.http.get(CONNECTIONS)).json()["items"] == []
    assert scene.state.revoked == []
    told = [each.message for each in caplog.records if "revoked" in each.message]
    assert len(told) == (case in {"refused", "away", "closed"})
    assert not any(token in line for line in told for token in (*scene.state.issued, *scene.state.refreshable))


@pytest.mark.parametrize("is_bound", [True, False])
async def test_a_client_is_shown_only_where_its_owner_bound_it(scene: Scene, *, is_bound: bool) -> None:
    """A declared token endpoint is what a client is bound to: metadata name no other place for its secret."""
    async with serving(scene.state.answer) as elsewhere:
        place = scene.authorization if is_bound else elsewhere
        with_metadata(scene, revocation_endpoint=f"{place.url}/revoke")
        schemes = scene.schemes()
        schemes["oauth"]["oauth2MetadataUrl"] = f"{scene.authorization.url}{METADATA}"
        await scene.start(schemes)
        await scene.connect()
        assert (await scene.gateway.http.delete(f"{CONNECTIONS}/oauth")).status_code == 204
        assert elsewhere.requests == []
    assert len(scene.state.revoked) == (2 if is_bound else 0)
