"""The live execution engine's settings that the adapter relies on; several of them are off by default."""

from nautilus_trader.live import LiveExecutionEngineConfig, SubmissionRecoveryPolicy

PURGE_MINS = 5
"""The engine forgets orders and positions that have been closed for so long: it would keep each for ever, at several kilobytes."""


def execution_engine_settings(**changes: object) -> LiveExecutionEngineConfig:
    """Return settings that leave lost orders to the adapter, and check orders and positions at intervals.

    Parameters
    ----------
    changes
        Fields of `LiveExecutionEngineConfig` that shall be others.
    """
    known: dict[str, object] = {
        "reconciliation": True,
        "reconciliation_startup_delay_secs": 1.0,
        "inflight_check_interval_ms": 5_000,
        "inflight_check_threshold_ms": 30_000,
        "inflight_check_retries": 10,
        "submission_recovery_policy": SubmissionRecoveryPolicy.RETAIN_UNRESOLVED,
        "open_check_interval_secs": 30.0,
        "open_check_open_only": True,
        "open_check_threshold_ms": 15_000,
        "open_check_missing_retries": 5,
        "position_check_interval_secs": 60.0,
        "position_check_threshold_ms": 30_000,
        "purge_closed_orders_interval_mins": PURGE_MINS,
        "purge_closed_orders_buffer_mins": PURGE_MINS,
        "purge_closed_positions_interval_mins": PURGE_MINS,
        "purge_closed_positions_buffer_mins": PURGE_MINS,
        "purge_account_events_interval_mins": PURGE_MINS,
        "purge_account_events_lookback_mins": PURGE_MINS,
    }
    return LiveExecutionEngineConfig(**{**known, **changes})  # type: ignore[arg-type]
