"""What stands before every page: whose request it is, from which page it came, and what a browser may do with the answer."""

from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from live.dashboard.guarding import Guard

COOKIE = "huracan_session"
OPEN = ("/login", "/dashboard.css")
"""Paths that may be had without a session."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""NiceGUI writes inline scripts and compiles templates in the browser, hence the two unsafe words; nothing comes from another place."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine only."""
    return host in LOOPBACK or host.startswith("127.")


class Shield:
    """Wraps an application.

    - On loopback only names of this machine are answered, so that no foreign name can be pointed at it.
    - What comes from a page must come from a page of ours: the origin is held to the host, for websockets too.
    - Elsewhere than on loopback nothing is shown without a session, or the token in the header of a request to the interface.

    Parameters
    ----------
    inner
        The application.
    guard
        Of tokens and sessions.
    public
        Whether it is bound to something else than loopback.
    """

    def __init__(self, inner: Any, guard: Guard, public: bool) -> None:
        self._inner, self._guard, self._public = inner, guard, public

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope, headers)
        if refused is None:
            await self._inner(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _answer(_with_headers(send), *refused)

    def _refused(self, scope: dict[str, Any], headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if not self._public and not is_loopback(name):
            return 421, "this address is not served here"
        origin = headers.get("origin")
        asks = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if asks and origin is not None and urlsplit(origin).netloc != host:
            return 403, "the request came from a page of another place"
        if headers.get("sec-fetch-site") == "cross-site" and asks:
            return 403, "the request came from a page of another place"
        if not self._public or scope["path"] in OPEN or scope["path"].startswith("/api/"):
            return None
        if self._guard.knows(session_of(headers)):
            return None
        return (303, "/login") if scope["type"] == "http" and scope["method"] == "GET" else (401, "log in first")


def session_of(headers: dict[str, str]) -> str:
    """Return the session that a request carries; "" where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _with_headers(send: Any) -> Any:
    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name.decode().lower() not in HEADERS]
            message["headers"] = [*kept, *((name.encode(), value.encode()) for name, value in HEADERS.items())]
        await send(message)

    return sending


async def _answer(send: Any, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == 303:
        headers.append((b"location", text.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if status == 303 else text.encode()})
