"""HTML of escaped text."""

import pytest

from live.dashboard.markup import Column, Markup, badge, element, facts, instrument, legend, meter, stamp, table, tile

SCRIPT = "<script>alert(1)</script>\"'&"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;"


@pytest.mark.parametrize(
    "made",
    [
        element("div", SCRIPT, kind=SCRIPT, title=SCRIPT, style=SCRIPT),
        badge(SCRIPT, SCRIPT),
        table((Column(SCRIPT, SCRIPT),), [(SCRIPT,)]),
        table((Column("a"),), [], empty=SCRIPT),
        facts([(SCRIPT, SCRIPT)]),
        meter(0.5, SCRIPT),
        tile(SCRIPT, SCRIPT, SCRIPT, SCRIPT),
        legend([(SCRIPT, SCRIPT)]),
        instrument(f"{SCRIPT}.{SCRIPT}"),
        stamp(SCRIPT),
    ],
)
def test_script_is_shown_and_never_run(made: Markup) -> None:
    assert "<script" not in made
    assert ESCAPED in made


def test_markup_inside_markup_is_not_escaped_again() -> None:
    assert element("p", element("b", "a < b")) == "<p><b>a &lt; b</b></p>"


def test_row_with_another_number_of_cells_is_a_broken_promise() -> None:
    with pytest.raises(ValueError, match="zip"):
        table((Column("a"), Column("b")), [("only one",)])


def test_meter_draws_no_more_than_all_and_nothing_of_what_is_unknown() -> None:
    assert "width:100.0%" in meter(7.0, "full")
    assert "width:0.0%" in meter(float("nan"), "ok")
