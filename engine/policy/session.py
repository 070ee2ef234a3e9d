"""The ONNX session of a policy: verified when loaded, one thread, one batched inference a turn."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from engine.contract.errors import PolicyError, broken
from engine.contract.observation import Contract
from engine.policy.manifest import GOLDEN, GRAPH, PolicyManifest, read

THREADS = 1
"""Of one inference: answers can change in their last bit with the number of threads."""

PROVIDERS = ("CPUExecutionProvider",)

GOLDEN_TOLERANCE = 1e-4
"""Largest absolute difference allowed in logits, value and confidence; actions must be equal."""


class Inference(NamedTuple):
    """What the graph answered for a batch of n rows, one row per instrument."""

    action: NDArray[np.float64]
    logits: NDArray[np.float32]
    value: NDArray[np.float32]
    confidence: NDArray[np.float32]


class PolicySession:
    """A policy folder that was verified and can be asked.

    Parameters
    ----------
    folder
        A policy folder.

    Raises
    ------
    PolicyError
        A digest differs, the graph cannot be loaded, its inputs or outputs are not those of the contract, or the golden vectors do
        not reproduce.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: PolicyManifest = read(folder)
        self.contract: Contract = self.manifest.contract
        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = THREADS
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(folder / GRAPH), options, providers=list(PROVIDERS))
        except Exception as error:
            raise PolicyError(
                broken(GRAPH, "be a graph that onnxruntime loads", str(error).splitlines()[0], str(folder))
            ) from error
        self._check_signature()
        self._outputs = list(self.contract.outputs)
        self._check_golden()

    @property
    def name(self) -> str:
        """`NAME@VERSION`."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def inference(self) -> dict[str, Any]:
        """What computes the answers, as the session itself says: library, providers, threads."""
        options = self._session.get_session_options()
        return {
            "library": f"onnxruntime {ort.__version__}",
            "providers": self._session.get_providers(),
            "intra_op_threads": options.intra_op_num_threads,
            "inter_op_threads": options.inter_op_num_threads,
        }

    def __call__(self, inputs: dict[str, NDArray[np.float32]]) -> Inference:
        """Answer a batch.

        Parameters
        ----------
        inputs
            Name to float32 (n, *shape), as in the contract.

        Raises
        ------
        PolicyError
            The graph failed on it.
        """
        try:
            action, logits, value, confidence = self._session.run(self._outputs, inputs)
        except Exception as error:
            raise PolicyError(broken(GRAPH, "answer", str(error).splitlines()[0], str(self.folder))) from error
        return Inference(action.astype(np.float64), logits, value, confidence)

    def _check_signature(self) -> None:
        wanted = {spec.name: tuple(spec.shape) for spec in self.contract.inputs}
        found = {node.name: tuple(node.shape[1:]) for node in self._session.get_inputs()}
        if found != wanted:
            raise PolicyError(
                broken("graph inputs", f"be {wanted}", found, str(self.folder), "export the policy again")
            )
        names = {node.name for node in self._session.get_outputs()}
        if missing := sorted(set(self.contract.outputs) - names):
            raise PolicyError(
                broken(
                    "graph outputs", f"contain {missing}", sorted(names), str(self.folder), "export the policy again"
                )
            )
        carried = self._session.get_modelmeta().custom_metadata_map.get("contract_digest")
        if carried != self.manifest.contract_digest:
            raise PolicyError(
                broken(
                    "contract digest in the graph",
                    f"be {self.manifest.contract_digest[:12]}",
                    str(carried)[:12],
                    str(self.folder),
                    "export the policy again",
                )
            )

    def _check_golden(self) -> None:
        with np.load(self.folder / GOLDEN, allow_pickle=False) as golden:
            vectors = {key: golden[key] for key in golden.files}
        answer = self({spec.name: vectors[spec.name] for spec in self.contract.inputs})
        for output in self.contract.outputs:
            found = np.asarray(getattr(answer, output), dtype=np.float64)
            wanted = vectors[output].astype(np.float64)
            tolerance = 0.0 if output == "action" and self.contract.action.kind == "discrete7" else GOLDEN_TOLERANCE
            worst = float(np.max(np.abs(found - wanted), initial=0.0))
            if not worst <= tolerance:
                raise PolicyError(
                    broken(
                        f"golden {output}",
                        f"reproduce within {tolerance:g}",
                        f"{worst:g} away",
                        str(self.folder),
                        "export the policy again",
                    )
                )
