"""The card of a policy: what it is, what it was made from, what it was worth on rows it had not seen, and where it must not be used."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.contract.config import Config

ROWS = (
    ("log_growth", "log growth after costs"),
    ("sharpe", "Sharpe ratio, annualised"),
    ("max_drawdown", "largest drawdown"),
    ("exposure", "mean absolute exposure, of equity"),
    ("turnover", "turnover, times equity per 1,000 decisions"),
    ("trades_per_1000", "orders per 1,000 decisions"),
    ("commonest_action_share", "share of the commonest answer"),
    ("action_entropy", "entropy of the answers, of its largest"),
    ("agreement", "probability that a draw is the answer"),
)


def card(
    config: Config,
    data: Mapping[str, Any],
    seeds: Sequence[Mapping[str, Any]],
    best_seed: int,
    evaluation: Mapping[str, Any],
    command: str,
) -> str:
    """Write the card in Markdown; the exporter fills in `{version}` and `{digest}`.

    Parameters
    ----------
    data
        `data` of the manifest.
    seeds
        One mapping per seed: `seed`, and its validation figures.
    evaluation
        `evaluation` of the manifest.
    command
        What repeats the training.
    """
    training, venue, compared = config.training, config.venue, evaluation["equivalence"]
    header = "| seed | " + " | ".join(text for _, text in ROWS) + " |"
    lines = [header, "|---" * (len(ROWS) + 1) + "|"]
    for one in seeds:
        mark = " (exported)" if one["seed"] == best_seed else ""
        lines.append(f"| {one['seed']}{mark} | " + " | ".join(f"{one[key]:.3f}" for key, _ in ROWS) + " |")
    spans = [
        f"- {one['instrument']}, {data['bar']} bars: learned on closes {one['training'][0]} to {one['training'][1]}, "
        f"validated on {one['validation'][0]} to {one['validation'][1]}; data {one['sha256'][:12]}"
        for one in data["instruments"]
    ]
    return "\n".join(
        [
            f"# {config.run.name}, version {{version}}",
            "",
            f"Gives {training.action} answers over the `{training.recipe}` features; network {training.network}, learned by "
            f"{training.algorithm}; contract {{digest}}.",
            "",
            "## Made from",
            *spans,
            f"- {training.env_steps:,} decisions per seed, seeds {', '.join(map(str, training.seeds))}",
            f"- costs: taker fee {venue.taker_bps:g} bps, half-spread {venue.half_spread_bps:g} bps, fill `{venue.fill}`, "
            f"funding {'on' if venue.funding else 'off'}",
            f"- budget: {config.limits.max_position_frac:g} of equity in one instrument",
            "",
            f"Made by `{command}`",
            "",
            "## Validation",
            "Turns after those of training, which no gradient saw; the exported policy was chosen on them, from "
            f"{evaluation['trials']} evaluations, so its figures flatter it. Cash grew by 0, buying and holding the budget by "
            f"{evaluation['buy_and_hold_log_growth']:.3f} before costs.",
            "",
            *lines,
            "",
            *[f"**Degenerate:** {line}" for line in evaluation["degenerate"]],
            *([""] if evaluation["degenerate"] else []),
            f"Given the same answers, the training market and NautilusTrader were compared before the export: of "
            f"{compared['checked']:,} values {compared['differences']} differed.",
            "",
            "## Limits of use",
            f"- For {data['bar']} bars and these costs; with higher costs or another fill assumption, train again.",
            f"- It learned on an account with {len(data['instruments'])} instrument(s); with more or fewer, train again.",
            "- Past rows are no promise. Nothing here was tested against chance or against other trials.",
            "",
        ]
    )
