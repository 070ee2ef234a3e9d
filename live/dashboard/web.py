"""The web application: pages by NiceGUI, controls and log-in by FastAPI, the shield before both."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import Body, FastAPI, Form, Header, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from nicegui import ui

from engine.contract.errors import HuracanError
from live.dashboard.acting import WrongToken, act
from live.dashboard.guarding import SESSION_SECS, Guard, TooMany
from live.dashboard.markup import Markup, element
from live.dashboard.pages import register
from live.dashboard.shield import COOKIE, Shield
from live.dashboard.source import Hub
from live.steering import read_controls

STYLE = Path(__file__).with_name("style.css")
DEEDS = ("halt", "flatten", "resume", "clear_latch")


def application(runs: Path, guard: Guard, public: bool) -> Shield:
    """Make the application.

    Parameters
    ----------
    runs
        Folder of the runs.
    public
        Whether it is bound to something else than loopback: then pages too are shown only after a log-in.
    """
    hub = Hub(runs)
    app = FastAPI(title="Huracan", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/dashboard.css")
    def style() -> Response:
        return FileResponse(STYLE, media_type="text/css", headers={"cache-control": "no-cache"})

    @app.get("/login")
    def login_page() -> Response:
        return _login("")

    @app.post("/login")
    def login(request: Request, token: Annotated[str, Form()] = "") -> Response:
        try:
            admitted = guard.admits(token, _origin(request))
        except TooMany:
            return _login("Too many wrong tokens: wait a minute.", 429)
        if not admitted:
            return _login("That is not the token.", 401)
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, guard.open_session(), int(SESSION_SECS), httponly=True, samesite="strict", secure=secure
        )
        return answer

    @app.post("/api/runs/{run_id}/controls")
    async def control(
        run_id: str,
        request: Request,
        body: Annotated[dict[str, Any], Body()],
        authorization: Annotated[str, Header()] = "",
    ) -> Response:
        asked = {key: str(body.get(key, "")) for key in ("verb", "scope", "by", "reason", "control")}
        if asked["verb"] not in DEEDS:
            return _refuse(422, f"verb must be one of {', '.join(DEEDS)}, was {asked['verb'] or 'absent'}")
        try:
            if not guard.admits(_bearer(authorization), _origin(request)):
                return _refuse(401, "the token is wrong")
            source = await hub.fresh(run_id)
            done = act(
                source,
                guard,
                _bearer(authorization),
                _origin(request),
                asked["verb"],  # type: ignore[arg-type]
                asked["scope"],
                asked["by"],
                asked["reason"],
                asked["control"],
            )
        except (WrongToken, TooMany) as error:
            return _refuse(429 if isinstance(error, TooMany) else 401, "too many wrong tokens: wait a minute")
        except HuracanError as error:
            return _refuse(422, str(error))
        return JSONResponse(msgspec.to_builtins(done), 202)

    @app.get("/api/runs/{run_id}/controls")
    async def controls(run_id: str, request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        try:
            if not guard.admits(_bearer(authorization), _origin(request)):
                return _refuse(401, "the token is wrong")
            source = await hub.fresh(run_id)
        except TooMany:
            return _refuse(429, "too many wrong tokens: wait a minute")
        except HuracanError as error:
            return _refuse(404, str(error))
        return JSONResponse({"controls": msgspec.to_builtins(read_controls(source.folder))})

    register(hub, guard)
    ui.run_with(app, title="Huracan", dark=None, tailwind=False, show_welcome_message=False, reconnect_timeout=8.0)
    return Shield(app, guard, public)


def _bearer(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _origin(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _refuse(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status)


def _login(wrong: str, status: int = 200) -> Response:
    problem = element("p", wrong, kind="wrong") if wrong else Markup("")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Huracan</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/dashboard.css">'
        "<script>if (matchMedia('(prefers-color-scheme: dark)').matches) addEventListener('DOMContentLoaded', () =>"
        " document.body.classList.add('body--dark'))</script></head>"
        '<body><main style="display:grid;place-items:center;min-height:90vh"><form class="dialog" method="post" action="/login">'
        f"<h2>Huracan</h2><p>The token was printed where the dashboard was started.</p>{problem}"
        '<label class="field"><span class="label">Token</span><input name="token" type="password" autofocus required'
        ' autocomplete="current-password" style="width:100%;box-sizing:border-box;padding:8px 10px;font:inherit;border-radius:8px;'
        'border:1px solid var(--line);background:var(--back);color:var(--ink)"></label>'
        '<div class="foot"><button class="act solid">Show the dashboard</button></div></form></main></body></html>'
    )
    return HTMLResponse(page, status, headers={"cache-control": "no-store"})
