"""Is everybody kept out of the console who must not come in, one attack at a time?"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import ValidationError
from structlog.testing import capture_logs

from farandole.broker.settings import Settings
from farandole.events.action_record import ActionRecord
from farandole.operations import recorded
from farandole.operations.installation import Installation
from farandole.operations.setup.web_settings import WebSettings
from farandole.operations.topology_source import TopologySource
from farandole.web.access import current_principal
from farandole.web.access_token import COOKIE_SECONDS, AccessToken
from farandole.web.application import ROUTERS, create_application
from farandole.web.authentication import recognition
from farandole.web.console import Console
from farandole.web.request_guard import API, MAX_BODY_BYTES, Gate, RequestGuard
from tests.web.asgi_browser import Browser

TOKEN = AccessToken("correct horse battery staple")
ORIGIN = {"origin": "http://localhost"}
SESSION = "/api/v1/session"
SIGN_OUT = "/api/v1/sign-out"
"""A write that needs no Kafka."""
JSON = {"content-type": "application/json"}
BEARER = {"authorization": f"Bearer {TOKEN.value}"}
READS_BY_POST = {
    "/api/v1/sign-in": "it has the token",
    "/api/v1/trigger/check": "it only looks at data",
    "/api/v1/sign-out": "whoever is signed in may sign out",
}
"""Routes that are no GET and that a viewer may call, and why."""


def browser(peer: str = "127.0.0.1", **web: Any) -> Browser:
    """A browser at the console with these settings."""
    settings = WebSettings(**web)
    here = Installation(Settings(), Path(), TopologySource(Path("topology.yaml"), None))
    guarded = RequestGuard(
        create_application(Console(here, settings, TOKEN)),
        Gate(recognition(settings, TOKEN, "ann@host"), settings.allowed_hosts, settings.web_url),
    )
    return Browser(guarded, peer)


@pytest.fixture
def signed_in() -> Browser:
    """A browser that has its cookie."""
    client = browser()
    client.get("/login", token=TOKEN.value)
    assert client.get(SESSION).data["role"] == "editor"
    return client


def proxied(*groups: str, peer: str = "127.0.0.1", user: str = "bob", **web: Any) -> Browser:
    client = browser(
        peer,
        web_auth="proxy",
        web_operators=("operators",),
        web_editors=("editors",),
        web_revealers=("hr",),
        **web,
    )
    client.headers |= {"x-forwarded-user": user, "x-forwarded-groups": ", ".join(groups)}
    return client


# The name under which the console is asked


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8217", "localhost.", "10.0.0.1"])
def test_a_name_that_leads_here_and_is_not_ours_is_refused(signed_in: Browser, host: str) -> None:
    """DNS rebinding: a page of evil.example asks 127.0.0.1 under its own name."""
    answer = signed_in.get(SESSION, headers={"host": host})
    assert (answer.status, answer.code) == (421, "wrong_host")
    assert signed_in.get("/", headers={"host": host}).status == 421


@pytest.mark.parametrize("host", ["", "a b", "localhost@evil.example", "[::1", "localhost:x"])
def test_a_host_that_is_none_is_refused(signed_in: Browser, host: str) -> None:
    assert signed_in.get(SESSION, headers={"host": host}).status == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8217", "127.0.0.1:9", "[::1]:9"])
def test_this_machine_is_known_by_its_names(signed_in: Browser, host: str) -> None:
    assert signed_in.get(SESSION, headers={**BEARER, "host": host}).status == 200


def test_the_names_of_the_settings_are_known_too() -> None:
    client = browser(web_url="https://Ops.example/x/", web_hosts="farandole, other")
    for host in ("ops.example", "farandole:80", "other"):
        assert client.get(SESSION, headers={**BEARER, "host": host}).status == 200


def test_what_a_browser_says_of_its_host_elsewhere_is_not_believed(signed_in: Browser) -> None:
    headers = {"host": "evil.example", "x-forwarded-host": "localhost"}
    assert signed_in.get(SESSION, headers=headers).status == 421


# The token


def test_nobody_is_nobody() -> None:
    answer = browser().get(SESSION)
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer ", "Bearer correct horse", f"Basic {TOKEN.value}", TOKEN.value,
        f"Bearer {TOKEN.value}x", f"Bearer {TOKEN.value.upper()}", "Bearer \u00e9",
    ],
)  # fmt: skip
def test_a_wrong_bearer_is_nobody_even_with_a_cookie(signed_in: Browser, header: str) -> None:
    answer = signed_in.get(SESSION, headers={"authorization": header.encode()})
    assert answer.status == 401


def test_a_script_shows_the_token_and_needs_no_origin() -> None:
    answer = browser().post(SIGN_OUT, {}, headers=BEARER)
    assert answer.status == 204


def test_the_link_gives_a_cookie_that_scripts_and_other_sites_do_not_get() -> None:
    client = browser()
    answer = client.get("/login", token=TOKEN.value)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{TOKEN.cookie_name}=")
    assert TOKEN.value not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {e.strip() for e in cookie.split(";")}
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_behind_tls_the_cookie_is_sent_over_tls_alone() -> None:
    client = browser(web_url="https://ops.example/")
    answer = client.get("/login", token=TOKEN.value)
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("shown", ["", "x", TOKEN.value[:-1]])
def test_a_wrong_link_gives_none(shown: str) -> None:
    client = browser()
    for answer in (
        client.get("/login", token=shown),
        client.post("/api/v1/sign-in", {"token": shown}, headers=ORIGIN),
    ):
        assert answer.status == 401
        assert "set-cookie" not in answer.headers
        assert TOKEN.value not in answer.text


def test_a_page_signs_in_with_the_token() -> None:
    client = browser()
    answer = client.post("/api/v1/sign-in", {"token": TOKEN.value}, headers=ORIGIN)
    assert answer.status == 204
    assert client.get(SESSION).data["name"] == "ann@host"
    assert client.post(SIGN_OUT, {}, headers=ORIGIN).status == 204
    assert client.get(SESSION).status == 401


FORGERIES: dict[str, Callable[[str, str], str]] = {
    "nothing": lambda ends, code: "",
    "no code": lambda ends, code: ends,
    "no end": lambda ends, code: f".{code}",
    "a later end": lambda ends, code: f"{int(ends) + 1}.{code}",
    "half a code": lambda ends, code: f"{ends}.{code[:-1]}",
    "zeros": lambda ends, code: f"{ends}.{'0' * len(code)}",
    "another token": lambda ends, code: AccessToken("another").make_cookie(time.time()),
    "ended": lambda ends, code: TOKEN.make_cookie(time.time() - COOKIE_SECONDS - 1),
    "the token": lambda ends, code: TOKEN.value,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_cookie_that_we_have_not_made_or_that_has_ended_is_nobody(forgery: str) -> None:
    ends, _, code = TOKEN.make_cookie(time.time()).partition(".")
    headers = {"cookie": f"{TOKEN.cookie_name}={FORGERIES[forgery](ends, code)}"}
    assert browser().get(SESSION, headers=headers).status == 401


def test_the_token_in_a_link_is_not_logged() -> None:
    client = browser()
    with capture_logs() as logs:
        client.get("/login", token=TOKEN.value)
        client.get("/login", token="wrong and secret")
    assert "secret" not in str(logs)
    assert TOKEN.value not in str(logs)


# Pages of others


def test_a_form_of_another_site_cannot_write(signed_in: Browser) -> None:
    """What a form can send without asking: it is no JSON."""
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""):
        headers = {"content-type": kind, "origin": "http://evil.example"}
        answer = signed_in.ask("POST", SIGN_OUT, headers, [b"{}"])
        assert answer.status == 415, kind


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "http://localhost.evil.example", "http://localhost:9999",
        "http://localhost@evil.example", "https://evil.example/localhost", "file://", "[",
    ],
)  # fmt: skip
def test_a_page_of_another_origin_cannot_write(signed_in: Browser, origin: str) -> None:
    answer = signed_in.post(SIGN_OUT, {}, headers={"origin": origin})
    assert (answer.status, answer.code) == (403, "foreign_origin")
    assert signed_in.get(SESSION).status == 200


def test_a_write_without_an_origin_is_refused_where_a_cookie_says_who_it_is(
    signed_in: Browser,
) -> None:
    assert signed_in.post(SIGN_OUT, {}).status == 403
    assert signed_in.post(SIGN_OUT, {}, headers=ORIGIN).status == 204


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_what_a_browser_says_to_be_of_another_site_is_refused(
    signed_in: Browser, site: str
) -> None:
    headers = {**ORIGIN, "sec-fetch-site": site}
    assert signed_in.post(SIGN_OUT, {}, headers=headers).status == 403
    assert signed_in.get(SESSION, headers={"sec-fetch-site": site}).status == 403


def test_an_address_that_somebody_types_may_be_read_but_not_written(signed_in: Browser) -> None:
    typed = {**ORIGIN, "sec-fetch-site": "none"}
    assert signed_in.get(SESSION, headers=typed).status == 200
    assert signed_in.post(SIGN_OUT, {}, headers=typed).status == 403


def test_behind_a_proxy_the_address_of_the_settings_is_our_origin() -> None:
    client = browser(web_url="https://ops.example/x/")
    client.get("/login", token=TOKEN.value)
    cookie = {"cookie": f"{TOKEN.cookie_name}={TOKEN.make_cookie(time.time())}"}
    for origin, status in [
        ("https://ops.example", 204),
        ("https://ops.example:444", 403),
        ("http://ops.example", 403),
    ]:
        answer = client.post(SIGN_OUT, {}, headers={"origin": origin, **cookie})
        assert answer.status == status, origin


def test_no_other_origin_is_allowed_to_read(signed_in: Browser) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
        answer = signed_in.ask(method, SESSION, headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    client = browser()
    headers = {**BEARER, **JSON}
    said = client.ask("POST", SIGN_OUT, headers, [b" " * (MAX_BODY_BYTES + 1)])

    def chunks() -> Iterator[bytes]:
        while True:
            yield b" " * 1024 * 1024

    assert (said.status, said.code) == (413, "too_large")
    assert client.ask("POST", SIGN_OUT, headers, chunks()).status == 413


@pytest.mark.parametrize(
    "body",
    [rb'{"token": "\ud800"}', b'{"token": "\xed\xa0\x80"}', '{"token": "a"}'.encode("utf-16")],
)
def test_a_body_with_half_of_a_character_is_no_text(body: bytes) -> None:
    answer = browser().ask("POST", "/api/v1/sign-in", {**ORIGIN, **JSON}, [body])
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_a_whole_character_may_be_written_as_its_halves() -> None:
    body = [rb'{"token": "\ud83d\ude00"}']
    assert browser().ask("POST", "/api/v1/sign-in", {**ORIGIN, **JSON}, body).status == 401


@pytest.mark.parametrize("path", [SESSION, "/", "/api/v1/nothing", "/login"])
def test_every_answer_forbids_the_browser_what_pages_do_not_need(path: str) -> None:
    for headers in ({}, BEARER, {"host": "evil.example"}):
        answer = browser().get(path, headers=headers)
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= {*policy}
        assert "unsafe" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_answers_of_the_api_are_kept_by_no_cache(signed_in: Browser) -> None:
    assert signed_in.get(SESSION).headers["cache-control"] == "no-store"


def test_no_two_answers_have_one_nonce() -> None:
    client = browser()
    assert len({client.get("/").headers["content-security-policy"] for _ in range(3)}) == 3


# A proxy that says who asks


@pytest.mark.parametrize("peer", ["10.0.0.7", "192.168.1.1", "::2", "", "not an address"])
def test_a_sender_that_is_no_proxy_is_not_believed(peer: str) -> None:
    assert proxied("editors", peer=peer).get(SESSION).status == 401


def test_a_proxy_is_known_by_its_network() -> None:
    found = proxied("editors", peer="10.0.0.7", web_proxies="10.0.0.0/24", web_host="0.0.0.0")
    assert found.get(SESSION).data["name"] == "bob"
    mapped = proxied(peer="::ffff:10.0.0.7", web_proxies=("10.0.0.7",), web_host="0.0.0.0")
    assert mapped.get(SESSION).status == 200


def test_who_says_to_be_forwarded_is_no_proxy() -> None:
    client = proxied("editors", peer="10.0.0.7")
    assert client.get(SESSION, headers={"x-forwarded-for": "127.0.0.1"}).status == 401


@pytest.mark.parametrize("user", ["", " ", "a" * 201, "a\u0007b"])
def test_a_proxy_that_names_nobody_brings_nobody(user: str) -> None:
    client = proxied("editors")
    assert client.get(SESSION, headers={"x-forwarded-user": user.encode()}).status == 401


def test_two_names_are_none() -> None:
    client = proxied("editors")
    headers = [("x-forwarded-user", "bob"), ("x-forwarded-user", "root")]
    assert client.get(SESSION, headers=headers).status == 401


def test_the_token_is_worth_nothing_where_a_proxy_says_who_asks() -> None:
    client = browser(web_auth="proxy")
    assert client.get(SESSION, headers=BEARER).status == 401
    assert client.get("/login", token=TOKEN.value).status == 404


@pytest.mark.parametrize(
    ("groups", "role", "reveals"),
    [
        ((), "viewer", False),
        (("others", "hr"), "viewer", True),
        (("operators",), "operator", False),
        (("operators", "editors"), "editor", False),
    ],
)
def test_groups_say_what_somebody_may_do(groups: tuple[str, ...], role: str, reveals: bool) -> None:
    found = proxied(*groups).get(SESSION).data
    assert (found["role"], found["may_reveal"], found["auth"]) == (role, reveals, "proxy")


def test_who_has_no_group_that_may_look_does_not() -> None:
    answer = proxied("others", web_viewers="staff").get(SESSION)
    assert (answer.status, answer.code) == (403, "forbidden")


# Who may only look


def routes() -> Iterator[tuple[str, str]]:
    """The method and the path of every route, with something for each parameter."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in sorted(route.methods or ()):
                yield method, API + re.sub(r"\{[^}]*\}", "1", route.path)


WRITES = [each for each in routes() if each[0] not in ("GET", "HEAD")]


@pytest.mark.parametrize("auth", ["proxy", "none"])
def test_a_viewer_can_write_nowhere(auth: str) -> None:
    """Before anything else of the request is looked at."""
    client = proxied() if auth == "proxy" else browser(web_auth="none")
    assert {path for _, path in WRITES} >= READS_BY_POST.keys()
    for method, path in WRITES:
        if path not in READS_BY_POST:
            answer = client.ask(method, path, {**ORIGIN, **JSON}, [b"{}"])
            assert (answer.status, answer.code) == (403, "forbidden"), path


def test_every_route_asks_who_it_is() -> None:
    client = browser()
    for method, path in routes():
        if path != "/api/v1/sign-in":
            assert client.ask(method, path, {**ORIGIN, **JSON}, [b"{}"]).status == 401, path


def test_every_route_of_the_api_says_which_role_it_needs() -> None:
    """It would be forgotten without a word: whoever is recognised would come in."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            named = {each.call for each in _dependencies(route.dependant)}
            if route.path != "/sign-in":
                assert current_principal in named, route.path


def _dependencies(found: Dependant) -> Iterator[Dependant]:
    yield found
    for each in found.dependencies:
        yield from _dependencies(each)


def test_a_viewer_is_told_what_can_be_done() -> None:
    assert "dead replay" in proxied().get("/api/v1/actions/names").data


def test_who_sees_the_data_of_a_letter_unmasked_is_recorded_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[ActionRecord] = []

    async def write(_: Settings, action: ActionRecord) -> None:
        written.append(action)

    monkeypatch.setattr(recorded, "write_action", write)
    letter = "/api/v1/dead-letters/p/load/17"
    assert proxied("operators").get(letter, reveal="true").status == 403
    assert written == []
    proxied("hr").get(letter, reveal="true")
    (action,) = written
    assert (action.who, action.what, action.target) == ("bob", "reveal", "load/17")


# What must not be configured


@pytest.mark.parametrize(
    "web",
    [
        {"web_auth": "none", "web_host": "0.0.0.0"},
        {"web_auth": "proxy", "web_host": "10.0.0.1"},
        {"web_auth": "proxy", "web_proxies": "anything"},
        {"web_token": "short"},
        {"web_url": "javascript:alert(1)"},
        {"web_url": "ops.example"},
    ],
)
def test_what_would_let_everybody_in_is_refused(web: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebSettings(**web)


def test_a_body_that_is_cut_off_changes_nothing() -> None:
    client = browser()
    answer = client.ask("POST", SIGN_OUT, {**BEARER, **JSON}, [b"{}"], is_cut_off=True)
    assert (answer.status, answer.code) == (400, "invalid_request")
