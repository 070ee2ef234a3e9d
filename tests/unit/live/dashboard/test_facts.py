"""What the page of facts says of a run's parity."""

from engine.evaluation.proven import Proof
from live.dashboard.views.facts import parity


def test_certificate_is_shown_with_its_word_its_digest_and_what_it_left_out() -> None:
    page = str(parity(Proof("certified", "ab" * 32, "240 decisions equal", ("a liquidation",))))
    assert all(word in page for word in ("certified", "abababababab", "240 decisions equal", "a liquidation"))


def test_stale_certificate_says_what_changed_and_text_stays_text() -> None:
    page = str(parity(Proof("stale", "ab" * 32, "policy was <b>1</b>, is 2")))
    assert "badge warn" in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page


def test_run_without_a_certificate_says_how_to_get_one_and_one_that_goes_on_that_it_comes_later() -> None:
    assert "huracan verify parity" in str(parity(Proof("not verified", "", "huracan verify parity CONFIG")))
    assert "when it has ended" in str(parity(None))
