"""Tables and drawing of learning curves, from runs made by hand."""

import xml.etree.ElementTree as ElementTree

from models.curves_drawing import draw, tables
from models.learning_curves import Run


def runs() -> list[Run]:
    def run(market: str, variant: str, seed: int, last: float, best: float | None) -> Run:
        curve = [(1_000, 0.1 * seed), (2_000, last)]
        return Run(market, variant, seed, curve, best, last, float(seed), 10.0 * seed, 5_000.0)

    return [
        *(run("sign", "ppo", seed, last, 1.0) for seed, last in ((1, 0.95), (2, 0.8), (3, 0.91))),
        *(run("trend", "ppo", seed, 0.2, None) for seed in (1, 2, 3)),
        run("cost_trap", "td3", 1, -0.001, 0.0),
    ]


def test_table_holds_medians_quartiles_and_how_many_seeds_solved_the_toy() -> None:
    text = tables(runs())
    # growths 0.80, 0.91, 0.95: median 0.91, quartiles 0.855 and 0.93; two reach 0.9; the curve begins with 0.1, 0.2, 0.3
    wanted = "| ppo | 3 | 0.910 (0.855 to 0.930) | 2 of 3 | 20 | 1k 0.200 (0.150 to 0.250); 2k 0.910 (0.855 to 0.930) |"
    assert wanted in text
    assert "| ppo | 3 | 0.200 (0.200 to 0.200) | 2.00 (1.50 to 2.50) | 20 |" in text
    assert "| td3 | 1 | -0.001 (-0.001 to -0.001) | 1 of 1 | 10 |" in text


def test_drawing_is_small_well_formed_and_has_a_line_for_every_algorithm_and_market() -> None:
    text = draw(runs())
    root = ElementTree.fromstring(text)
    lines = [part for part in root.iter() if part.tag.endswith("polyline") and part.get("stroke-width") == "2"]
    assert len(lines) == 3
    assert len(text) < 60_000
