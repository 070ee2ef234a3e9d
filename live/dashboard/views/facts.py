"""Run facts: who decides with which code on what data, how it ended, whether it can be repeated, and its configuration."""

from typing import Any

from nicegui import ui

from engine.contract.config import dump
from engine.evaluation.proven import Proof
from live.dashboard.look import Look, Piece
from live.dashboard.markup import Markup, badge, element, facts
from live.dashboard.source import Source
from live.dashboard.wording import UNKNOWN, moment, percent, plain

SHARES = frozenset({"total_return", "cagr", "max_drawdown", "volatility", "win_rate", "exposure"})
METRICS = (
    "total_return", "cagr", "sharpe", "sortino", "calmar", "max_drawdown", "volatility", "turnover", "trades", "win_rate",
    "profit_factor", "exposure", "fees", "funding", "slippage",
)  # fmt: skip


class Facts:
    """The view of facts."""

    def __init__(self, look: Look) -> None:
        del look
        with ui.element("div").classes("grid"):
            with ui.element("div").classes("two"):
                with ui.element("div").classes("card"):
                    self._identity = Piece()
                with ui.element("div").classes("grid"):
                    with ui.element("div").classes("card"):
                        self._parity = Piece()
                    with ui.element("div").classes("card"):
                        self._metrics = Piece()
            with ui.element("div").classes("card"):
                self._config = Piece()

    def show(self, source: Source) -> None:
        """Show the state of a source."""
        self._identity.show(_identity(source))
        self._parity.show(parity(source.proof))
        self._metrics.show(_metrics(source))
        head = element("div", element("h2", "Configuration"), kind="head")
        self._config.show(Markup(head + element("pre", dump(source.config), kind="code")))


def _identity(source: Source) -> Markup:
    status, manifest = source.status, source.manifest

    def told(key: str) -> Any:
        value = manifest.get(key)
        return element("span", value, kind="mono") if value else UNKNOWN

    rows: list[tuple[str, Any]] = [
        ("Run", source.run_id),
        ("Mode", status.mode),
        (
            "Exchange",
            f"{status.exchange}, {status.market}{', rehearsal' if status.rehearsal else ''}"
            if status.mode != "backtest"
            else UNKNOWN,
        ),
        ("Decides", status.policy or status.strategy),
        ("Policy digest", told("policy_digest")),
        ("Contract digest", told("contract_digest")),
        ("Code", told("code_version")),
        ("Configuration", told("config_sha256")),
        ("Decisions", told("decisions_sha256")),
        (
            "Span",
            " – ".join(str(manifest.get(key) or "")[:16].replace("T", " ") for key in ("start", "end")).strip(" –")
            or UNKNOWN,
        ),
        ("Began, UTC", moment(status.started_ns)),
        ("Last turn, UTC", moment(status.turn_ns)),
        ("Instruments", ", ".join(status.instruments)),
        ("Bars", status.bar),
        ("Ended", status.stopped or ("going on" if source.running else UNKNOWN)),
        ("Memory", f"{status.memory_bytes / 2**20:,.0f} MB" if status.memory_bytes else UNKNOWN),
    ]
    return Markup(element("div", element("h2", "Run"), kind="head") + facts(rows))


def parity(proof: Proof | None) -> Markup:
    """Say what the run's certificate proves; None: the session goes on."""
    head = element("div", element("h2", "Parity"), kind="head")
    if proof is None:
        return Markup(head + element("div", "A session is replayed from its tape when it has ended.", kind="empty"))
    if not proof.digest:
        return Markup(head + element("div", f"{proof.word.capitalize()}: {proof.said}", kind="empty"))
    tone = {"certified": "up", "failed": "down", "stale": "warn"}.get(proof.word, "")
    rows: list[tuple[str, Any]] = [
        ("Verdict", badge(proof.word, tone)),
        ("Certificate", element("span", proof.digest[:12], kind="mono")),
        ("Compared" if proof.word == "certified" else "Why", proof.said),
    ]
    if proof.not_exercised:
        rows.append(("Not exercised", "; ".join(proof.not_exercised)))
    return Markup(head + facts(rows))


def _metrics(source: Source) -> Markup:
    head = element("div", element("h2", "Metrics"), kind="head")
    found = source.metrics.get("metrics", {})
    if not found:
        return Markup(head + element("div", "Metrics are computed when the run ends.", kind="empty"))
    rows = []
    for name in METRICS:
        value = found.get(name)
        shown = percent(value) if name in SHARES else plain(value, 5)
        rows.append((name.replace("_", " ").capitalize(), shown))
    return Markup(head + facts(rows))
