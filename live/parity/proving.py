"""The proof: a back test and a live node on one stream, compared, and the certificate of what was found."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from engine.contract.config import Config, sha256
from engine.contract.version import code_version
from engine.journal.certificate import Certificate, Identity
from engine.policy.session import PolicySession
from live.parity.comparing import Comparison, compare
from live.parity.distribution import distributions
from live.parity.exercised import not_exercised
from live.parity.rehearsed import rehearsed, why_not_exchange
from live.parity.sides import Side
from live.parity.tested import tested
from live.running import Say
from strategies.backtest import load
from strategies.running import dataset_digests

AS_SAMPLES = ("fill", "order", "account")
"""Kinds that are compared as samples at real-time pace: what follows from the moment at which a quote comes."""


def prove(
    config: Config,
    *,
    through: Literal["exchange", "catalog"] = "exchange",
    speed: float | None = None,
    apart: bool = False,
    say: Say = lambda _: None,
) -> Certificate:
    """Back-test a configuration, run it again as a paper session, and compare everything that both wrote down.

    Parameters
    ----------
    through
        `exchange`: the session hears the rehearsal exchange, where the instruments allow it; `catalog`: the catalog itself.
    speed
        Seconds of the tape a second, at which the exchange moves by itself; None: it waits for the decisions.
    apart
        Whether the back test runs in a process of its own, where sets of strings have another order.
    say
        Called with a line for a person.

    Raises
    ------
    RunFailure
        One of the two did not come to its end.
    """
    reason = why_not_exchange(config) if through == "exchange" else "it was not asked for"
    with tempfile.TemporaryDirectory(prefix="parity-") as place:
        folder = Path(place)
        before, settlements = tested(config, folder / "tested", apart)
        say(f"back test: {len(before.entries):,} decisions, {len(before.fills):,} fills")
        market, policy = load(config)
        after, _ = rehearsed(config, market, policy, folder, not reason, speed, say)
        say(f"session: {len(after.entries):,} decisions, {len(after.fills):,} fills")
    missing = not_exercised(config, before, settlements)
    if reason:
        missing.insert(0, f"the rehearsal exchange: {reason}")
    if not apart:
        missing.append("another order of sets: both ran in one process")
    return certify(
        identity_of(config, policy, datasets=dataset_digests(config)),
        before,
        after,
        missing,
        "catalog" if reason else "exchange",
        "deterministic" if speed is None else "real_time",
    )


def identity_of(config: Config, policy: PolicySession | None, **data: Any) -> Identity:
    """Return what decides now, on which data."""
    return Identity(
        code_version=code_version(),
        config_sha256=sha256(config),
        policy=None if policy is None else policy.name,
        policy_digest=None if policy is None else policy.manifest.digest,
        inference=None if policy is None else policy.inference,
        **data,
    )


def certify(
    identity: Identity,
    was: Side,
    became: Side,
    missing: Sequence[str],
    proof: Literal["exchange", "catalog", "recorded"],
    pace: Literal["deterministic", "real_time", "recorded"],
) -> Certificate:
    """Compare two sides, and write down what was found.

    At real-time pace fills need not be equal one by one: they are compared as samples. Decisions behind a fill that differs may differ with
    it; one that differs first is a fault.
    """
    found: Comparison = compare(was, became)
    passed, stated = found.passed, list[dict[str, Any]]()
    if pace == "real_time":
        stated = distributions(was, became)
        follows = found.first is None or found.first["kind"] in AS_SAMPLES
        passed = follows and not any(one["differs"] for one in stated)
    return Certificate(
        proof=proof,
        pace=pace,
        passed=passed,
        identity=identity,
        was=was.hashes,
        became=became.hashes,
        figures=found.figures,
        differences=found.differences,
        first_difference=found.first,
        distributions=stated,
        not_exercised=list(missing),
    )
