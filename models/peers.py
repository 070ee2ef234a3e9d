"""Environments of other projects, stepped at random: a program for the environment they are installed in, which knows nothing of ours.

Run as `python peers.py SECONDS`; prints one JSON document: {"rates": {name: steps a second}, "skipped": {name: reason}}. All walk the
same prices: 20,000 hourly bars of a seeded random walk, 8 features, a window of 32 where the environment has windows.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

BARS, WINDOW, FEATURES = 20_000, 32, 8
SEED = 5
REPEATS = 6


def walk() -> tuple[Any, Any]:
    """Return closes (BARS,) and features (BARS, 8)."""
    rng = np.random.default_rng(SEED)
    close = 100.0 * np.exp(np.cumsum(0.005 * rng.standard_normal(BARS)))
    return close, rng.standard_normal((BARS, FEATURES)).astype(np.float32)


def frame(close: Any) -> Any:
    """Return bars as the environments want them."""
    import pandas as pd

    opened = np.append(close[0], close[:-1])
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    return pd.DataFrame(columns | {"volume": 10.0}, index=pd.date_range("2020-01-01", periods=BARS, freq="h"))


def gym_anytrading() -> Any:
    """Windowed; long or short, no account but a profit."""
    from gym_anytrading.envs import StocksEnv

    close, features = walk()

    class Walk(StocksEnv):
        def _process_data(self) -> tuple[Any, Any]:
            return close, features

    return Walk(df=frame(close), window_size=WINDOW, frame_bound=(WINDOW, BARS))


def gym_trading_env() -> Any:
    """Windowed; positions as shares of a portfolio with fees."""
    from gym_trading_env.environments import TradingEnv

    close, features = walk()
    table = frame(close)
    for k in range(FEATURES):
        table[f"feature_{k}"] = features[:, k]
    return TradingEnv(
        df=table, positions=[0, 0.25, 0.6, 0.9, 1], windows=WINDOW, trading_fees=5e-4, borrow_interest_rate=0, verbose=0
    )


def finrl() -> Any:
    """Flat; shares and cash with fees. Loaded by its file: the package itself asks for much that this environment does not use."""
    spec = importlib.util.find_spec("finrl")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("finrl")
    path = Path(spec.submodule_search_locations[0], "meta", "env_stock_trading", "env_stocktrading_np.py")
    loaded = importlib.util.spec_from_file_location("env_stocktrading_np", path)
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(module)
    close, features = walk()
    arrays = {"price_array": close[:, None], "tech_array": features, "turbulence_array": np.zeros(BARS)}
    return module.StockTradingEnv(arrays | {"if_train": True})


PEERS = {"gym-anytrading": gym_anytrading, "gym-trading-env": gym_trading_env, "FinRL StockTradingEnv": finrl}


def rate(env: Any, seconds: float) -> float:
    """Step at random, resetting at every end; the best of `REPEATS`, steps a second."""
    env.reset(seed=SEED)
    env.action_space.seed(SEED)
    actions = [env.action_space.sample() for _ in range(512)]
    best = 0.0
    for _ in range(REPEATS):
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds / REPEATS:
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
            steps += len(actions)
        best = max(best, steps / (time.perf_counter() - began))
    return best


def main(seconds: float) -> None:
    """Measure every peer that is here."""
    rates, skipped = {}, {}
    for name, make in PEERS.items():
        try:
            rates[name] = rate(make(), seconds)
        except Exception as error:  # noqa: BLE001
            skipped[name] = f"{type(error).__name__}: {error}"
    print(json.dumps({"rates": rates, "skipped": skipped}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
