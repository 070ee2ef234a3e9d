"""From a trained policy to a policy folder: one ONNX graph with everything in it, refused unless it answers as torch does."""

import logging
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from engine.contract.action import ActionSpec
from engine.contract.errors import PolicyError, broken
from engine.contract.observation import BAR_COLUMNS, Contract, TensorSpec, contract
from engine.contract.signals import AVAILABLE
from engine.policy.manifest import CARD, GOLDEN, GRAPH, WEIGHTS, PolicyManifest, digests, encode, read, write
from engine.policy.registry import TRAINED, next_version
from engine.risk.novelty import REFERENCE, Reference
from models.features import window
from models.networks import Output, PolicyGraph

CHECKED = 1_000
GOLDEN_VECTORS = 96
TOLERANCE = 1e-4
"""Largest difference of logits, value and confidence between torch and onnxruntime; answers must be equal."""

OPSET = 20

Inputs = dict[str, NDArray[np.float32]]


class Comparison(NamedTuple):
    """How many inputs were compared, on how many the two differ, and where first."""

    checked: int
    differences: int
    first_difference: dict[str, Any] | None


class Description(NamedTuple):
    """What the manifest and the card say beside what the graph itself tells; see `PolicyManifest`."""

    name: str
    training: dict[str, Any]
    data: dict[str, Any]
    costs: dict[str, Any]
    evaluation: dict[str, Any]
    code_version: str
    card: str
    signals: Mapping[str, dict[str, Any]] = {}


def policy_contract(
    bar: str, network: Mapping[str, Any], spec: ActionSpec, signals: Mapping[str, dict[str, Any]] | None = None
) -> Contract:
    """Compose the contract of a policy from what its graph is built from, and the settings of the signals that it learned with."""
    return contract(bar, window(network["recipe"]), spec, network.get("context", ()), signals)


def export_policy(
    graph: PolicyGraph,
    bar: str,
    real_windows: NDArray[np.float32],
    description: Description,
    root: Path = TRAINED,
    reference: Reference | None = None,
) -> Path:
    """Write a policy folder `root/NAME/VERSION`, complete or not at all.

    Parameters
    ----------
    graph
        The trained policy, on any device.
    bar
        Bar specification.
    real_windows : float32 (n, W, 5)
        Windows of bars from the data, n of at least 16; the check and the golden vectors use them beside random ones.
    description
        What the manifest says.
    root
        Folder of policies; the version is the next integer there.
    reference
        What the bars of training were like, for [actors.drift]; None leaves it out.

    Raises
    ------
    PolicyError
        The graph answers otherwise than torch on any of the checked inputs.
    """
    graph = graph.cpu().eval()
    terms = policy_contract(bar, graph.network, graph.spec, description.signals)
    parent = root / description.name
    parent.mkdir(parents=True, exist_ok=True)
    version = next_version(description.name, root)
    staging = parent / f".staging-{version}-{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        (staging / GRAPH).write_bytes(to_onnx(graph, terms, description))
        comparison = compare(graph, staging / GRAPH, sample_inputs(terms, CHECKED, 1, real_windows))
        if comparison.differences:
            raise PolicyError(
                broken(
                    "exported graph",
                    f"answer as torch on {comparison.checked} inputs",
                    f"different on {comparison.differences}, first {comparison.first_difference}",
                    description.name,
                )
            )
        vectors = sample_inputs(terms, GOLDEN_VECTORS, 2, real_windows)
        np.savez(staging / GOLDEN, **vectors, **_torch_answers(graph, vectors))  # type: ignore[arg-type]
        save_file({name: value.contiguous() for name, value in graph.state_dict().items()}, staging / WEIGHTS)
        if reference is not None:
            reference.save(staging / REFERENCE)
        (staging / CARD).write_text(
            description.card.replace("{version}", version).replace("{digest}", terms.digest[:12]), encoding="utf-8"
        )
        manifest = PolicyManifest(
            name=description.name,
            version=version,
            contract=terms,
            contract_digest=terms.digest,
            files=digests(staging),
            network=graph.network,
            training=description.training,
            data=description.data,
            costs=description.costs,
            code_version=description.code_version,
            evaluation=description.evaluation,
        )
        encode(manifest)
        write(staging, manifest)
        folder = parent / version
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def to_onnx(graph: PolicyGraph, terms: Contract, description: Description) -> bytes:
    """Serialise the graph, batch size left open; the same weights and description give the same bytes.

    Stack traces and paths, which the exporter leaves in the nodes, are taken out.
    """
    example = tuple(torch.from_numpy(value) for value in sample_inputs(terms, 2, 0).values())
    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.name for spec in terms.inputs],
            output_names=list(terms.outputs),
            dynamic_shapes=tuple({0: batch} for _ in example),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    model.graph.doc_string = model.doc_string = ""
    provenance = {
        "contract": terms.canonical().decode(),
        "contract_digest": terms.digest,
        "policy": description.name,
        "network": _canonical(graph.network),
        "training": _canonical(description.training),
        "data": _canonical(description.data),
        "costs": _canonical(description.costs),
        "code_version": description.code_version,
    }
    onnx.helper.set_model_props(model, provenance)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _canonical(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def sample_inputs(terms: Contract, count: int, seed: int, real_windows: NDArray[np.float32] | None = None) -> Inputs:
    """Draw inputs: windows of bars, half of them real where there are any, beside accounts that are flat, holding and full.

    Every eighth account is an edge: flat and new, exactly at the exposure where nothing more may be bought, beyond the budget, short.
    """
    rng = np.random.default_rng(seed)
    length = terms.window
    returns = 0.01 * rng.standard_t(3, (count, length)) * np.exp(rng.standard_normal((count, 1)))
    close = np.exp(rng.uniform(-5.0, 11.0, (count, 1)) + np.cumsum(np.clip(returns, -0.5, 0.5), 1))
    opening = np.concatenate([close[:, :1], close[:, :-1]], 1)
    high = np.maximum(opening, close) * (1.0 + np.abs(0.003 * rng.standard_normal((count, length))))
    low = np.minimum(opening, close) * (1.0 - np.abs(0.003 * rng.standard_normal((count, length))).clip(max=0.5))
    volume = np.exp(3.0 * rng.standard_normal((count, length))) * (rng.random((count, length)) > 0.05)
    bars = np.stack([opening, high, low, close, volume], -1).astype(np.float32)
    assert bars.shape[-1] == len(BAR_COLUMNS)
    if real_windows is not None and len(real_windows):
        half = count // 2
        bars[:half] = real_windows[rng.integers(0, len(real_windows), half)]

    holding = rng.random(count) < 0.6
    side = np.where(terms.action.short & (rng.random(count) < 0.5), -1.0, 1.0)
    size = np.where(holding, side * rng.uniform(0.01, 1.0, count), 0.0)
    size[3::8] = 0.0
    size[4::8] = terms.action.full_exposure
    size[5::8] = 1.05
    size[6::8] = -0.5 if terms.action.short else 0.5
    held = size != 0
    gain = np.where(held, 0.02 * rng.standard_normal(count), 0.0)
    bars_held = np.where(held, np.ceil(rng.exponential(20.0, count)), 0.0)
    position = [-gain, size, 0.5 * size * gain, np.log1p(bars_held) / 5.0, np.sign(size)]
    exposure = 0.5 * np.abs(size)
    equity = 0.4 * rng.standard_normal(count)
    sharpe, sortino = np.clip(rng.standard_normal((2, count)), -3.0, 3.0)
    drawdown = rng.uniform(0.0, 0.6, count)
    turnover = rng.uniform(0.0, 0.3, count)
    equity[3::16], sharpe[3::16], sortino[3::16], drawdown[3::16], turnover[3::16] = 0.0, 0.0, 0.0, 0.0, 0.0
    realised = np.expm1(equity)
    portfolio = [equity, exposure, sharpe, sortino, realised, drawdown, 1.0 - exposure, turnover]
    inputs = {
        "bars": bars,
        "position": np.stack(position, -1).astype(np.float32),
        "portfolio": np.stack(portfolio, -1).astype(np.float32),
    }
    return inputs | {spec.name: _context(spec, count, rng) for spec in terms.inputs if spec.name == "context"}


def _context(spec: TensorSpec, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw what signals say, (count, C): each of them silent, all its columns 0, in an eighth of the rows."""
    said = rng.uniform(0.0, 1.0, (count, *spec.shape))
    names = [column.partition(".")[0] for column in spec.columns]
    for name in dict.fromkeys(names):
        own = np.array([other == name for other in names])
        silent = rng.random(count) < 0.125
        said[np.ix_(silent, own)] = 0.0
    spoken = [i for i, column in enumerate(spec.columns) if column.endswith(f".{AVAILABLE}")]
    said[:, spoken] = np.ceil(said[:, spoken])
    return said.astype(np.float32)


@torch.no_grad()
def _torch_answers(graph: PolicyGraph, inputs: Inputs) -> dict[str, NDArray[Any]]:
    answer: Output = graph(*(torch.from_numpy(value) for value in inputs.values()))
    return {name: value.numpy() for name, value in answer._asdict().items()}


def compare(graph: PolicyGraph, path: Path, inputs: Inputs) -> Comparison:
    """Ask torch and onnxruntime (one thread) the same, and count the rows on which they differ."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = _torch_answers(graph, inputs)
    found = dict(zip(wanted, session.run(list(wanted), inputs)))
    count = len(inputs["bars"])
    differs = np.zeros(count, dtype=bool)
    for name, value in wanted.items():
        exact = name == "action" and graph.spec.kind == "discrete7"
        distance = np.abs(found[name].astype(np.float64) - value).reshape(count, -1).max(-1)
        differs |= ~(distance <= (0.0 if exact else TOLERANCE))
    first = None
    if differs.any():
        row = int(np.argmax(differs))
        first = {"row": row} | {
            name: {"torch": value[row].tolist(), "onnxruntime": found[name][row].tolist()}
            for name, value in wanted.items()
        }
    return Comparison(count, int(differs.sum()), first)


def load_graph(folder: Path) -> tuple[PolicyGraph, PolicyManifest]:
    """Build the torch module of a policy folder again, with its weights.

    Raises
    ------
    PolicyError
        The folder fails its digests, holds no weights, or the weights do not fit the network.
    """
    manifest = read(folder)
    if WEIGHTS not in manifest.files:
        raise PolicyError(broken(WEIGHTS, "be in the policy folder", "missing", str(folder), "export the policy again"))
    graph = PolicyGraph(manifest.network, manifest.contract.action)
    try:
        graph.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise PolicyError(broken(WEIGHTS, "fit the network", str(error).splitlines()[0], str(folder))) from error
    return graph.eval(), manifest


def verify_export(folder: Path, n: int = CHECKED, seed: int = 3) -> Comparison:
    """Compare the exported graph of a folder with torch on `n` random inputs.

    Returns
    -------
    Comparison
        `checked`, `differences`, and `first_difference` with both answers, or None.

    Raises
    ------
    PolicyError
        As `load_graph`.
    """
    torch.set_num_threads(1)
    graph, manifest = load_graph(Path(folder))
    with np.load(Path(folder) / GOLDEN, allow_pickle=False) as golden:
        real = golden["bars"]
    return compare(graph, Path(folder) / GRAPH, sample_inputs(manifest.contract, n, seed, real))
