"""A session's status as Prometheus metrics: one table, read by the exposition, by the documentation and by the test of the dashboard."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from live.monitoring.alerting import AlertState
from live.monitoring.status import Status

Sample = tuple[tuple[str, ...], float | None]


class Watched(NamedTuple):
    """What the metrics are made of."""

    status: Status
    alerts: AlertState


class MetricRow(NamedTuple):
    """One metric.

    Attributes
    ----------
    name
        Counters get the ending `_total`.
    labels
        Beside `run` and `mode`, which all have.
    samples
        Label values and value; one that is None is left out.
    """

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    labels: tuple[str, ...]
    samples: Callable[[Watched], Iterable[Sample]]


def _one(read: Callable[[Status], float | None]) -> Callable[[Watched], Iterable[Sample]]:
    return lambda watched: [((), read(watched.status))]


SEEN = ("running", "hung", "gone", "ended")

METRICS: tuple[MetricRow, ...] = (
    MetricRow("huracan_session_seen", "gauge", "1 for what the monitor concludes of the session", ("seen",),
              lambda w: [((name,), float(w.status.seen == name)) for name in SEEN]),
    MetricRow("huracan_status_age_seconds", "gauge", "Age of the last snapshot", (), _one(lambda s: s.age_secs)),
    MetricRow("huracan_event_time_seconds", "gauge", "Latest event time that was received, since 1970", (),
              _one(lambda s: s.event_ns / 1e9)),
    MetricRow("huracan_equity", "gauge", "Equity at the marks, account currency", (), _one(lambda s: s.equity)),
    MetricRow("huracan_cash", "gauge", "Balance without unrealised profit, account currency", (), _one(lambda s: s.cash)),
    MetricRow("huracan_day_pnl", "gauge", "Equity less that of the day's first decision", (), _one(lambda s: s.day_pnl)),
    MetricRow("huracan_drawdown_fraction", "gauge", "Loss from the peak", (), _one(lambda s: s.drawdown_frac)),
    MetricRow("huracan_gross_fraction", "gauge", "Sum of absolute positions over equity", (), _one(lambda s: s.gross_frac)),
    MetricRow("huracan_net_fraction", "gauge", "Sum of signed positions over equity", (), _one(lambda s: s.net_frac)),
    MetricRow("huracan_position", "gauge", "Signed position, base units", ("instrument",),
              lambda w: [((one.instrument_id,), one.quantity) for one in w.status.positions]),
    MetricRow("huracan_position_notional", "gauge", "Signed value of the position at the mark", ("instrument",),
              lambda w: [((one.instrument_id,), one.notional) for one in w.status.positions]),
    MetricRow("huracan_unrealised", "gauge", "Unrealised profit of the position at the mark", ("instrument",),
              lambda w: [((one.instrument_id,), one.unrealised) for one in w.status.positions]),
    MetricRow("huracan_budget", "gauge", "Value that an exposure of 1 means, at the last decision", ("instrument",),
              lambda w: [((one.instrument_id,), one.budget) for one in w.status.decisions]),
    MetricRow("huracan_target_exposure", "gauge", "Signed fraction of the budget that was wanted last", ("instrument",),
              lambda w: [((one.instrument_id,), one.target_exposure) for one in w.status.decisions]),
    MetricRow("huracan_confidence", "gauge", "Confidence of the last decision", ("instrument",),
              lambda w: [((one.instrument_id,), one.confidence) for one in w.status.decisions]),
    MetricRow("huracan_signal", "gauge", "What a signal said at the last decision", ("instrument", "signal", "column"),
              lambda w: [((one.instrument_id, signal, column), value) for one in w.status.decisions
                         for signal, columns in one.context.items() for column, value in columns.items()]),
    MetricRow("huracan_limit_value", "gauge", "What there is of a limited measure", ("limit", "scope"),
              lambda w: [((one.name, one.scope), one.value) for one in w.status.limits]),
    MetricRow("huracan_limit_bound", "gauge", "What is allowed", ("limit", "scope"),
              lambda w: [((one.name, one.scope), one.bound) for one in w.status.limits]),
    MetricRow("huracan_breaker_tripped", "gauge", "1 where a control tripped", ("control", "scope"),
              lambda w: [((one.control, one.scope), float(one.state in ("reduce", "halt"))) for one in w.status.breakers]),
    MetricRow("huracan_halted", "gauge", "1 while a latch or a person's word stops the session", (),
              _one(lambda s: float(s.latch is not None or bool(s.halted) or bool(s.halts)))),
    MetricRow("huracan_open_orders", "gauge", "Orders that are held, on their way, or resting", (),
              _one(lambda s: float(len(s.orders)))),
    MetricRow("huracan_stream_age_seconds", "gauge", "Age of the last piece of a stream", ("instrument", "stream"),
              lambda w: [((one.instrument_id, one.kind), None if one.age_secs is None else one.age_secs + w.status.age_secs)
                         for one in w.status.streams]),
    MetricRow("huracan_stream_received", "counter", "Pieces of a stream", ("instrument", "stream"),
              lambda w: [((one.instrument_id, one.kind), float(one.received)) for one in w.status.streams]),
    MetricRow("huracan_latency_milliseconds", "gauge", "Time of a step, of the last 512", ("step", "quantile"),
              lambda w: [((one.name, quantile), value) for one in w.status.latencies
                         for quantile, value in (("0.5", one.p50_ms), ("0.99", one.p99_ms), ("1", one.worst_ms))]),
    MetricRow("huracan_turns", "counter", "Decided turns", (), _one(lambda s: float(s.counts.turns))),
    MetricRow("huracan_decisions", "counter", "Rows of the journal", (), _one(lambda s: float(s.counts.decisions))),
    MetricRow("huracan_orders", "counter", "Orders that passed the gate", (), _one(lambda s: float(s.counts.orders))),
    MetricRow("huracan_fills", "counter", "Fills", (), _one(lambda s: float(s.counts.fills))),
    MetricRow("huracan_refused_orders", "counter", "Orders that the gate refused", (), _one(lambda s: float(s.counts.refused))),
    MetricRow("huracan_rejected_orders", "counter", "Orders that the engine denied or the venue rejected", (),
              _one(lambda s: float(s.counts.rejected))),
    MetricRow("huracan_missing_bars", "counter", "Bars that a decided turn went without", (),
              _one(lambda s: float(s.gaps.missing_bars))),
    MetricRow("huracan_skipped_turns", "counter", "Turns that no bar came for", (), _one(lambda s: float(s.gaps.skipped_turns))),
    MetricRow("huracan_position_mismatches", "gauge", "Positions that strategy and engine hold differently", (),
              _one(lambda s: float(len(s.mismatches)))),
    MetricRow("huracan_policy_expires_seconds", "gauge", "When the policy expires, since 1970", (),
              _one(lambda s: None if s.policy_expires_ns is None else s.policy_expires_ns / 1e9)),
    MetricRow("huracan_memory_bytes", "gauge", "Resident memory of the session's process", (),
              _one(lambda s: float(s.memory_bytes))),
    MetricRow("huracan_alert_standing", "gauge", "1 while an alert stands, 0 when it went", ("key", "severity"),
              lambda w: [((key, one.finding.severity), float(not one.cleared_ns)) for key, one in w.alerts.alerts.items()]),
)  # fmt: skip


class StatusCollector(Collector):
    """Gives the metrics of what `read` returns at each scrape; nothing where that is None."""

    def __init__(self, read: Callable[[], Watched | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the table that has a sample."""
        watched = self._read()
        if watched is None:
            return
        common = (watched.status.run_id, watched.status.mode)
        for row in METRICS:
            kind = GaugeMetricFamily if row.kind == "gauge" else CounterMetricFamily
            family = kind(row.name, row.meaning, labels=["run", "mode", *row.labels])
            for labels, value in row.samples(watched):
                if value is not None:
                    family.add_metric([*common, *labels], value)
            if family.samples:
                yield family
