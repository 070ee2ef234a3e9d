"""The dashboard, driven in a browser: it shows a session within a second, and stops it; one browser, one session, one server for all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from engine.contract.config import dump, parse
from engine.journal.run import CONFIG, MANIFEST, write_json
from live.monitoring.status import Status, read_status, write_status
from live.steering import read_controls
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

TOKEN = "token of the browser's test"
PATIENCE_SECS = 60.0
WITHIN_SECS = 1.0
SCRIPT = "<img src=x onerror=hacked=1>"


class Desk(NamedTuple):
    """What the tests share."""

    page: Any
    address: str
    runs: Path
    session: subprocess.Popen[str]
    foreign: list[str]
    problems: list[str]


def eventually(what: Callable[[], Any], secs: float = PATIENCE_SECS) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + secs
    while not (found := what()):
        assert time.monotonic() < deadline, f"{what} must come within {secs:g} s"
        time.sleep(0.02)
    return found


def folder_of(runs: Path) -> Path:
    return next(iter(runs.glob(".desk-*.partial")), runs / "desk-0001")


def status_of(desk: Desk) -> Status:
    return read_status(folder_of(desk.runs))


def begin(command: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )


def plant(runs: Path) -> None:
    """A run that goes on, by the word of this process, whose instrument and latch are called by a script."""
    name = f"AAA{SCRIPT}.SIM"
    folder = runs / ".planted-0001.partial"
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(dump(parse({"universe": {"instruments": [name]}, "strategy": {"name": "cash"}})))
    manifest = {
        "run_id": "planted-0001",
        "mode": "paper",
        "strategy": SCRIPT,
        "policy": SCRIPT,
        "policy_digest": SCRIPT,
    }
    write_json(folder / MANIFEST, {**manifest, "code_version": SCRIPT, "decisions": 0})
    position = {
        "instrument_id": name,
        "quantity": 1.0,
        "entry_price": 1.0,
        "mark": 1.0,
        "notional": 1.0,
        "unrealised": 0.0,
    }
    decision = {
        "instrument_id": name,
        "ts_event": 1,
        "raw_action": 0.0,
        "action": 0.0,
        "confidence": 1.0,
        "target_exposure": 0.0,
    }
    context = {"regime": {SCRIPT: 1.0, "available": 1.0}}
    found: dict[str, Any] = {
        field.name: 0 for field in msgspec.structs.fields(Status) if field.required
    } | {
        "seen": "running",
        "phase": "trading",
        "pid": os.getpid(),
        "wall_ns": time.time_ns() + 3_600 * 10**9,
        "rehearsal": False,
        "instruments": [name],
        "positions": [position | {"exposure_frac": 0.1, "bars_held": 1}],
        "decisions": [
            decision | {"budget": 1.0, "gate": f"refused: {SCRIPT}", "order_key": "", "observation_sha": ""}
            | {"context": context, "missing": []}
        ],
        "breaker_state": "off",
        "gaps": {},
        "counts": {},
        "latch": None,
        "mode": "paper",
    }  # fmt: skip
    for key in ("orders", "limits", "breakers", "streams", "latencies"):
        found[key] = []
    for key in (
        "run_id",
        "exchange",
        "market",
        "strategy",
        "policy",
        "policy_digest",
        "code_version",
        "bar",
        "currency",
        "halted",
    ):
        found[key] = SCRIPT
    found |= {"run_id": "planted-0001", "stopped": ""}
    write_status(folder, msgspec.convert(found, Status))
    alert = {"ts_ns": 1, "kind": "fired", "severity": SCRIPT, "title": SCRIPT, "text": SCRIPT, "by": SCRIPT}
    (folder / "alerts.jsonl").write_text(json.dumps(alert) + "\n")
    (folder / "parity.json").write_text(json.dumps({"passed": False, "first_difference": {"field": SCRIPT}}))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("desk")
    runs = folder / "runs"
    plant(runs)
    session = begin(["-m", "tests.acceptance.dashboard_session", str(folder)])
    command = ["-m", "engine.cli", "dashboard", "--runs", str(runs), "--port", "0", "--no-browser"]
    server = begin(command, HURACAN_DASHBOARD_TOKEN=TOKEN)
    foreign: list[str] = []
    problems: list[str] = []
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[1].rstrip("/")
        eventually(
            lambda: (folder_of(runs) / "status.json").is_file() and read_status(folder_of(runs)).counts.fills > 4
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(PATIENCE_SECS * 1_000)
            ours = (address, address.replace("http", "ws", 1), "data:", "blob:")
            page.on("request", lambda request: None if request.url.startswith(ours) else foreign.append(request.url))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
            yield Desk(page, address, runs, session, foreign, problems)
            browser.close()
    finally:
        for process in (session, server):
            process.kill()
            process.communicate()


def open_tab(desk: Desk, tab: str, run: str = "desk-0001") -> None:
    desk.page.goto(f"{desk.address}/run/{run}?tab={tab}")
    desk.page.wait_for_selector(".tile .value")


def sent(desk: Desk) -> int:
    """Orders sent, as the page has them."""
    return int(desk.page.locator(".tile:has-text('Orders open') .more").inner_text().split()[0].replace(",", ""))


def confirm(desk: Desk, token: str | None, why: str = "drill") -> None:
    desk.page.wait_for_selector("[data-confirm]")
    desk.page.fill("[aria-label=Why]", why)
    if token is not None:
        desk.page.fill("[aria-label=Token]", token)
    desk.page.click("[data-confirm]")


def request(desk: Desk, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()} | {"content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(desk.address + path, data, named), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_start_page_lists_what_runs_first_and_opens_it(desk: Desk) -> None:
    desk.page.goto(desk.address)
    card = desk.page.locator(".run", has_text="desk-0001")
    card.wait_for()
    assert "running" in card.inner_text()
    card.click()
    desk.page.wait_for_selector(".tile .value")
    assert desk.page.url.endswith("/run/desk-0001")


def test_new_state_is_on_the_screen_within_a_second(desk: Desk) -> None:
    open_tab(desk, "Portfolio")
    taken = []
    for _ in range(8):
        before = status_of(desk).counts.orders
        eventually(lambda before=before: status_of(desk).counts.orders > before)
        began, wanted = time.perf_counter(), status_of(desk).counts.orders
        eventually(lambda wanted=wanted: sent(desk) >= wanted)
        taken.append(time.perf_counter() - began)
    print(f"from the snapshot to the screen: {sorted(round(one, 3) for one in taken)} s")
    assert sorted(taken)[len(taken) // 2] < WITHIN_SECS


@pytest.mark.parametrize("tab", ["Portfolio", "Risk", "Decisions", "Trades", "Data", "Alerts", "Run"])
def test_script_in_a_name_is_shown_as_text_and_fits_a_phone(desk: Desk, tab: str) -> None:
    desk.page.set_viewport_size({"width": 390, "height": 844})
    open_tab(desk, tab, "planted-0001")
    desk.page.wait_for_timeout(300)
    assert desk.page.evaluate("window.hacked") is None
    assert desk.page.locator("img").count() == 0
    assert desk.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    if tab in ("Portfolio", "Decisions", "Alerts", "Run"):
        assert SCRIPT in desk.page.locator(".page").inner_text()
    desk.page.set_viewport_size({"width": 1440, "height": 900})


def test_theme_changes_and_is_remembered(desk: Desk) -> None:
    open_tab(desk, "Portfolio")
    desk.page.click("[aria-label=Theme] button:has-text('Dark')")
    desk.page.wait_for_selector("body.body--dark")
    desk.page.reload()
    desk.page.wait_for_selector("body.body--dark")
    desk.page.click("[aria-label=Theme] button:has-text('Light')")
    desk.page.wait_for_selector("body:not(.body--dark)")


def test_wrong_token_does_nothing(desk: Desk) -> None:
    open_tab(desk, "Portfolio")
    desk.page.click(".acts .act:has-text('Halt')")
    confirm(desk, "not the token of this test")
    desk.page.wait_for_selector("text=That is not the token. Nothing was done.")
    desk.page.click("text=Cancel")
    body = {"verb": "halt", "scope": "account", "by": "mallory"}
    assert request(desk, "/api/runs/desk-0001/controls", body)[0] == 401
    assert request(desk, "/api/runs/desk-0001/controls", body, authorization="Bearer wrong")[0] == 401
    foreign = request(
        desk, "/api/runs/desk-0001/controls", body, authorization=f"Bearer {TOKEN}", origin="http://else.where"
    )
    assert foreign[0] == 403
    assert read_controls(folder_of(desk.runs)) == []


def test_halt_stops_orders_until_it_is_resumed(desk: Desk) -> None:
    open_tab(desk, "Risk")
    desk.page.click(".acts .act:has-text('Halt')")
    confirm(desk, TOKEN, why=f"news {SCRIPT}")
    desk.page.wait_for_selector(".banner:has-text('Halted by hand')")
    (halted,) = read_controls(folder_of(desk.runs))
    assert halted.answered is not None
    time.sleep(1.5)
    before = status_of(desk)
    eventually(lambda: status_of(desk).counts.turns >= before.counts.turns + 6)
    after = status_of(desk)
    held = {one.instrument_id: abs(one.quantity) for one in before.positions}
    assert all(abs(one.quantity) <= held[one.instrument_id] for one in after.positions)
    assert after.counts.refused > before.counts.refused
    assert any(one.quantity for one in after.positions)
    desk.page.click(".stand .act:has-text('Resume')")
    confirm(desk, None)
    desk.page.wait_for_selector("text=Nothing stops new risk")
    eventually(lambda: status_of(desk).counts.orders > after.counts.orders + 2)


def test_flatten_closes_everything_until_a_resume_names_its_scope(desk: Desk) -> None:
    known = len(read_controls(folder_of(desk.runs)))
    eventually(lambda: all(one.quantity for one in status_of(desk).positions))
    open_tab(desk, "Portfolio")
    desk.page.click(".acts .act:has-text('Flatten')")
    confirm(desk, TOKEN)
    began = time.perf_counter()
    desk.page.wait_for_selector(".tile:has-text('Exposure') .more:has-text('0 held')")
    print(f"flat on the screen after {time.perf_counter() - began:.2f} s")
    turns = status_of(desk).counts.turns
    eventually(lambda: status_of(desk).counts.turns >= turns + 4)
    assert not any(one.quantity for one in status_of(desk).positions)
    desk.page.wait_for_selector(".banner:has-text('Flattened by hand')")
    sent_by = {"authorization": f"Bearer {TOKEN}"}
    path = "/api/runs/desk-0001/controls"
    status, text = request(desk, path, {"verb": "resume", "scope": "DOGE.BINANCE", "by": "ann"}, **sent_by)
    assert (status, "scope must be one of account, BTCUSDT.BINANCE" in text) == (422, True)
    assert request(desk, path, {"verb": "resume", "scope": "account", "by": ""}, **sent_by)[0] == 422
    assert request(desk, path, {"verb": "resume", "scope": "BTCUSDT.BINANCE", "by": "ann"}, **sent_by)[0] == 202
    answered = eventually(lambda: read_controls(folder_of(desk.runs))[-1].answered)
    assert (answered.done, "must name what" in answered.result) == (False, True)
    resume = {"verb": "resume", "scope": "account", "by": "ann", "control": "halt", "reason": SCRIPT}
    assert request(desk, path, resume, **sent_by)[0] == 202
    eventually(lambda: any(one.quantity for one in status_of(desk).positions))
    status, text = request(desk, path, **sent_by)
    assert status == 200
    verbs = [one[0]["verb"] for one in json.loads(text)["controls"]]
    assert verbs[known:] == ["flatten", "resume", "resume"]
    open_tab(desk, "Alerts")
    desk.page.wait_for_selector(f"td:has-text('{SCRIPT}')")


def test_page_follows_a_session_to_its_end(desk: Desk) -> None:
    open_tab(desk, "Run")
    desk.session.send_signal(signal.SIGINT)
    desk.page.wait_for_selector(".badge:has-text('ended')")
    desk.page.wait_for_selector("text=Total return")
    assert not desk.page.locator(".acts").is_visible()


def test_nothing_was_loaded_from_elsewhere_and_no_page_failed(desk: Desk) -> None:
    assert desk.foreign == []
    assert desk.problems == []
