"""Which learner, and which head of the network, `training.algorithm` names."""

from engine.contract.config import Training
from models.algorithms import dqn, sac
from models.algorithms.direct_sharpe import DirectSharpe
from models.algorithms.dqn import Dqn
from models.algorithms.learner import Learner
from models.algorithms.ppo import Ppo
from models.algorithms.sac import Sac
from models.algorithms.supervised import Supervised
from models.algorithms.td3 import Td3
from models.market import Market
from models.networks import EXPOSURE, PLAIN, Head, PolicyGraph


def head(training: Training) -> Head:
    """Return what the last layers of the network must mean to the algorithm."""
    match training.algorithm:
        case "ppo" | "td3":
            return PLAIN
        case "sac":
            return sac.head(training)
        case "dqn":
            return dqn.head(training)
        case "supervised" | "direct_sharpe":
            return EXPOSURE


def learner(graph: PolicyGraph, market: Market, training: Training, seed: int) -> Learner:
    """Join a policy whose head is `head(training)`, its normaliser fitted, and a market."""
    match training.algorithm:
        case "ppo":
            return Ppo(graph, market, training, seed)
        case "sac":
            return Sac(graph, market, training, seed)
        case "td3":
            return Td3(graph, market, training, seed)
        case "dqn":
            return Dqn(graph, market, training, seed)
        case "supervised":
            return Supervised(graph, market, training, seed)
        case "direct_sharpe":
            return DirectSharpe(graph, market, training, seed)
