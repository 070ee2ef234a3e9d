"""What stands before every page, asked as a server asks it."""

import asyncio
from typing import Any

import pytest

from live.dashboard.guarding import Guard
from live.dashboard.shield import COOKIE, Shield, is_loopback

HERE = "127.0.0.1:8080"


def asked(
    public: bool = False,
    path: str = "/",
    method: str = "GET",
    kind: str = "http",
    guard: Guard | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bool]:
    """Return status, headers, and whether the application behind was asked; a closed websocket has status 1008."""
    reached, sent = [], []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Frame-Options", b"ALLOWALL")]})
            await send({"type": "http.response.body", "body": b"page"})

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in ({"host": HERE} | headers).items()]
    scope = {"type": kind, "path": path, "method": method, "headers": given}
    asyncio.run(Shield(inner, guard or Guard("the right token of this test"), public)(scope, receive, send))
    first = sent[0] if sent else {}
    answered = {name.decode().lower(): value.decode() for name, value in first.get("headers", [])}
    return first.get("status", first.get("code", 0)), answered, bool(reached)


def test_page_on_loopback_is_shown_with_headers_that_forbid_frames_and_other_places() -> None:
    status, headers, reached = asked()
    assert (status, reached) == (200, True)
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8080", ""])
def test_foreign_name_that_points_at_this_machine_is_not_served(host: str) -> None:
    assert asked(host=host)[::2] == (421, False)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_names_of_this_machine_are_served(host: str) -> None:
    assert asked(host=host)[::2] == (200, True)


def test_request_from_a_page_of_another_place_is_refused() -> None:
    assert asked(method="POST", origin="http://attacker.example")[::2] == (403, False)
    assert asked(method="POST", origin="null")[::2] == (403, False)
    assert asked(method="POST", origin=f"http://{HERE}")[::2] == (200, True)
    assert asked(method="POST", sec_fetch_site="cross-site")[::2] == (403, False)


def test_websocket_from_a_page_of_another_place_is_closed_before_it_is_heard() -> None:
    assert asked(kind="websocket", origin="http://attacker.example")[::2] == (1008, False)
    assert asked(kind="websocket", origin=f"http://{HERE}")[2]


def test_beyond_this_machine_nothing_is_shown_without_a_session() -> None:
    guard = Guard("the right token of this test")
    status, headers, reached = asked(public=True, guard=guard, host="desk.example")
    assert (status, headers["location"], reached) == (303, "/login", False)
    assert asked(public=True, guard=guard, kind="websocket")[::2] == (1008, False)
    assert asked(public=True, guard=guard, path="/_nicegui/x.js", method="HEAD")[::2] == (401, False)
    assert asked(public=True, guard=guard, path="/login")[::2] == (200, True)
    assert asked(public=True, guard=guard, cookie=f"{COOKIE}=forged")[::2] == (303, False)
    session = guard.open_session()
    assert asked(public=True, guard=guard, cookie=f"a=b; {COOKIE}={session}")[::2] == (200, True)
    assert asked(public=True, guard=guard, kind="websocket", cookie=f"{COOKIE}={session}")[2]


def test_loopback_is_told_from_other_addresses() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4
    assert not any(is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "example.org", ""))
