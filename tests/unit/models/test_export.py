"""A policy folder: complete, equal to torch, the same bytes twice, and refused when it is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from engine.contract.errors import PolicyError
from engine.policy.manifest import CARD, GOLDEN, GRAPH, MANIFEST, WEIGHTS
from engine.policy.session import PolicySession
from models import export
from models.export import Description, export_policy, load_graph, sample_inputs, verify_export
from models.features import window
from models.networks import PolicyGraph

Make = Callable[..., PolicyGraph]
DESCRIPTION = Description(
    "toy", {"algorithm": "none"}, {"bar": "1-HOUR"}, {}, {}, "0", "# toy {version}, contract {digest}\n"
)


def real(recipe: str = "base") -> np.ndarray:
    length = window(recipe)  # type: ignore[arg-type]
    return np.full((16, length, 5), 50.0, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph = PolicyGraph(
        {"network": "mlp", "recipe": "base", "hidden": [16, 16], "budget_frac": 0.5},
        export.ActionSpec(),
        torch.Generator().manual_seed(1),
    )
    with torch.no_grad():
        graph.trunk.actor[-1].weight.mul_(100.0)
    return export_policy(graph, "1-HOUR", real(), DESCRIPTION, tmp_path_factory.mktemp("policies"))


def test_folder_holds_all_its_files_under_the_next_version_and_nothing_beside_it(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted([GRAPH, MANIFEST, GOLDEN, CARD, WEIGHTS])
    assert (folder.name, folder.parent.name) == ("1", "toy")
    assert [path.name for path in folder.parent.iterdir()] == ["1"]
    session = PolicySession(folder)
    digest = session.contract.digest
    assert (folder / CARD).read_text() == f"# toy 1, contract {digest[:12]}\n"


def test_graph_carries_contract_and_provenance_and_no_path_of_a_machine(folder: Path) -> None:
    model = onnx.load(folder / GRAPH)
    carried = {entry.key: entry.value for entry in model.metadata_props}
    assert carried["contract_digest"] == PolicySession(folder).manifest.contract_digest
    assert carried["training"] == '{"algorithm":"none"}'
    content = (folder / GRAPH).read_bytes()
    for trace in (b".py", b"site-packages", str(Path(export.__file__).parent).encode()):
        assert trace not in content
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param != ""


def test_golden_vectors_hold_flat_holding_and_full_accounts(folder: Path) -> None:
    with np.load(folder / GOLDEN, allow_pickle=False) as golden:
        size = golden["position"][:, 1]
        assert len(size) >= 64
        assert {np.float32(0.0), np.float32(0.9), np.float32(1.05), np.float32(0.5)} <= set(size.tolist()) | set(size)
        assert set(golden.files) == {"bars", "position", "portfolio", "action", "logits", "value", "confidence"}


def test_export_is_verified_on_random_inputs(folder: Path) -> None:
    comparison = verify_export(folder, 1_000)
    assert comparison == (1_000, 0, None)


def test_session_answers_any_batch_size(folder: Path) -> None:
    session = PolicySession(folder)
    many = sample_inputs(session.contract, 5, 9)
    whole = session(many)
    for row in range(5):
        alone = session({name: value[row : row + 1] for name, value in many.items()})
        assert alone.action[0] == whole.action[row]
        assert alone.logits[0] == pytest.approx(whole.logits[row], abs=1e-5)


@pytest.mark.slow
def test_same_weights_give_the_same_bytes_and_the_next_version(folder: Path) -> None:
    graph, _ = load_graph(folder)
    again = export_policy(graph, "1-HOUR", real(), DESCRIPTION, folder.parents[1])
    assert again.name == "2"
    assert (again / GRAPH).read_bytes() == (folder / GRAPH).read_bytes()
    assert (again / GOLDEN).read_bytes() == (folder / GOLDEN).read_bytes()


def test_graph_that_answers_otherwise_than_torch_is_refused_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, _ = load_graph(folder)
    content = (folder / GRAPH).read_bytes()
    with torch.no_grad():
        other.trunk.actor[-1].bias[3] += 0.5
    monkeypatch.setattr(export, "to_onnx", lambda *_: content)
    with pytest.raises(PolicyError, match="must answer as torch on 1000 inputs, was different on"):
        export_policy(other, "1-HOUR", real(), DESCRIPTION, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["toy"]


def test_verification_names_the_first_difference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, manifest = load_graph(folder)
    with torch.no_grad():
        graph.trunk.critic[-1].bias += 1.0
    monkeypatch.setattr(export, "load_graph", lambda _: (graph, manifest))
    comparison = verify_export(folder, 32)
    assert comparison.differences == 32
    assert comparison.first_difference is not None
    assert comparison.first_difference["row"] == 0
    values = comparison.first_difference["value"]
    assert values["torch"] - values["onnxruntime"] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "recipe", "kind"),
    [
        ("mlp", "base", "discrete7"),
        ("mlp", "higher_order", "continuous"),
        ("transformer", "base", "continuous"),
        ("transformer", "higher_order", "discrete7"),
    ],
)
def test_every_pair_of_network_recipe_and_action_space_exports(
    network: str, recipe: str, kind: str, policy: Make, tmp_path: Path
) -> None:
    graph = policy(network, kind, recipe, short=kind == "continuous")
    exported = export_policy(graph, "1-HOUR", real(recipe), DESCRIPTION, tmp_path)
    assert PolicySession(exported).contract.window == window(recipe)  # type: ignore[arg-type]
    assert verify_export(exported, 1_000).differences == 0
