"""A rollout of 16,384 accounts over 128 steps: what it adds to the memory of the process."""

import subprocess
import sys

import pytest

LIMIT_MB = 500

PROGRAM = """
import resource
import torch
from engine.contract.action import ActionSpec
from engine.contract.config import Limits, Training, Venue
from models.algorithms.ppo import Ppo
from models.env_benchmark import walk_tape
from models.market import Market
from models.networks import PolicyGraph, describe

torch.set_num_threads(1)
tape = walk_tape()
training = Training(envs=16_384, rollout_steps=128, env_steps=10**8)
graph = PolicyGraph(describe("mlp", "base", training.hidden, 0.5), ActionSpec(), torch.Generator().manual_seed(1))
market = Market(tape, Venue(), Limits(max_position_frac=0.5), ActionSpec(), training.envs, 256, 1)
learner = Ppo(graph, market, training, 1)
market.reset()
with torch.no_grad():
    for _ in range(3):
        learner._judge(learner._context(market.observation().row), market.observation().account)
        market.step(torch.zeros(training.envs, dtype=torch.int64))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rollout = learner._collect()
    learner._advantages(rollout)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, rollout.reward.numel())
"""


@pytest.mark.slow
def test_rollout_of_two_million_decisions_stays_under_half_a_gigabyte(capsys):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=600)
    added, decisions = map(float, done.stdout.split())
    with capsys.disabled():
        print(f"\na rollout of {decisions:,.0f} decisions added {added:.0f} MB")
    assert decisions == 16_384 * 128
    assert added < LIMIT_MB
