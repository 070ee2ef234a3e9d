import importlib

import pytest

from live.adapter.core.outcomes import GONE, OUTCOMES, PERMANENT, POST_ONLY, Outcome, describe, outcome_of

errors = importlib.import_module("ccxt.base.errors")


def ccxt_classes() -> dict[str, type[Exception]]:
    return {name: getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)}


def test_every_exception_class_of_ccxt_has_an_outcome():
    assert set(ccxt_classes()) == set(OUTCOMES)


def test_every_class_of_the_hierarchy_has_an_outcome():
    def names(tree):
        for name, below in tree.items():
            yield name
            yield from names(below)

    assert set(names(errors.error_hierarchy)) == set(OUTCOMES)


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_outcome_of_a_raised_exception_is_that_of_the_table(name):
    assert outcome_of(ccxt_classes()[name]("binance refused")) is OUTCOMES[name]


def test_no_class_that_may_follow_an_accepted_order_is_a_refusal():
    network = [name for name, kind in ccxt_classes().items() if issubclass(kind, errors.OperationFailed)]
    assert {OUTCOMES[name] for name in network} == {Outcome.UNKNOWN}
    assert OUTCOMES["ExchangeError"] is Outcome.UNKNOWN


def test_refusal_of_an_id_used_before_is_unknown_whatever_its_class():
    assert (
        outcome_of(errors.InvalidOrder('binance {"code":-4116,"msg":"ClientOrderId is duplicated."}'))
        is Outcome.UNKNOWN
    )
    assert outcome_of(errors.InvalidOrder("binance Duplicate order sent.")) is Outcome.UNKNOWN
    assert outcome_of(errors.InvalidOrder("binance Filter failure: NOTIONAL")) is Outcome.REFUSED


def test_exception_that_ccxt_did_not_make_is_unknown():
    assert outcome_of(KeyError("orderId")) is Outcome.UNKNOWN


def test_named_sets_are_of_known_classes():
    assert set(OUTCOMES) >= GONE | PERMANENT | POST_ONLY


def test_description_of_an_error_leaves_out_signed_queries():
    text = describe(errors.RequestTimeout("binance GET https://api.binance.com/api/v3/order?symbol=X&signature=abc"))
    assert text == "RequestTimeout: binance GET https://api.binance.com/api/v3/order?..."
