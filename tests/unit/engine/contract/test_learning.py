"""What [training] cannot mean is refused before anything is read, with the key, the rule, the value and a way out."""

import msgspec
import pytest

from engine.contract.config import Training, parse
from engine.contract.errors import ConfigError


def trained(**keys: object) -> Training:
    return parse({"universe": {"instruments": ["A.X", "B.X"]}, "training": keys}).training


def test_defaults_of_every_algorithm_pass() -> None:
    for algorithm, action in (("ppo", "discrete7"), ("sac", "continuous"), ("td3", "continuous"), ("dqn", "discrete7")):
        assert trained(algorithm=algorithm, action=action).algorithm == algorithm


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "td3"}, "training.action must be continuous for td3, was discrete7"),
        ({"algorithm": "dqn", "action": "continuous"}, "training.action must be discrete7 for dqn, was continuous"),
        ({"algorithm": "a2c"}, "training.algorithm: invalid enum value 'a2c'"),
        ({"dqn": {"duelling": True}}, "training.dqn: object contains unknown field `duelling`"),
        ({"seeds": [1, 2, 1]}, r"training.seeds must differ from each other, was \[1, 2, 1\]"),
        ({"seeds": [-1]}, "training.seeds must be from 0 to 9223372036854775807, was -1"),
        ({"seeds": [2**70]}, "training.seeds must be from 0 to 9223372036854775807, was 1180591620717411303424"),
        ({"hidden": [64, 0]}, "training.hidden must be widths from 1 to 8192, was 0"),
        ({"hidden": [9000]}, "training.hidden must be widths from 1 to 8192, was 9000"),
        ({"network": "transformer", "hidden": [10]}, "training.hidden must begin with a multiple of 4, .* was 10"),
        ({"network": "transformer", "hidden": [2048]}, "training.hidden must begin with a token width of at most 1024"),
        ({"envs": 4, "rollout_steps": 4, "minibatches": 9}, "training.minibatches must leave 2 decisions .* was 9"),
        ({"env_steps": 100}, "training.env_steps must be at least one rollout, .* = 16384, was 100"),
        ({"learning_rate": float("inf")}, "training.learning_rate"),
        ({"gradient_norm": float("inf")}, "training.gradient_norm must be a finite number, was inf"),
        ({"schedule": {"margin": float("inf")}}, "training.schedule.margin must be a finite number, was inf"),
        ({"discount": 1.0}, "training.discount: expected `float` < 1.0, was 1.0"),
        (
            {"algorithm": "dqn", "replay": {"capacity": 500}},
            "training.replay.capacity must hold at least one batch, 512",
        ),
        ({"algorithm": "dqn", "replay": {"capacity": 4000}}, "training.replay.capacity must hold at least the warm-up"),
        (
            {"algorithm": "dqn", "envs": 512, "replay": {"capacity": 1000, "batch": 64, "warm_up": 64}},
            "training.replay.capacity must hold at least one step of all markets, 1024, was 1000",
        ),
        (
            {"algorithm": "sac", "env_steps": 20_000, "replay": {"warm_up": 20_000}},
            "training.replay.warm_up must end before the run does, at 20000 decisions, was 20000",
        ),
        (
            {"algorithm": "dqn", "dqn": {"first_random": 0.01}},
            "training.dqn.first_random must be at least last_random 0.05, was 0.01",
        ),
    ],
)
def test_training_that_cannot_be_meant_is_refused_with_its_key(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trained(**keys)


def test_sections_are_written_and_read_back() -> None:
    made = trained(algorithm="dqn", dqn={"noisy": True, "n_step": 3}, schedule={"kind": "cosine"})
    assert msgspec.convert(msgspec.to_builtins(made), Training) == made
    assert (made.dqn.double, made.dqn.n_step, made.schedule.kind) == (True, 3, "cosine")
