"""A report with every kind of entry, made by hand."""

from dataclasses import replace

from edgecv.core.artifact import Artifact, Layer, TensorFacts
from edgecv.core.comparison import Comparison, Latency
from edgecv.core.paired_results import (
    ConfusionChange,
    Flips,
    GroupDifference,
    NoWorse,
    PairedAccuracy,
    PairedScores,
    PairedStatistics,
)
from edgecv.core.report import Baseline, DataFacts, Gate, Report, SplitFacts

TENSOR = TensorFacts("image", (1, 8, 8, 1), "uint8", 0.1, 3)
STATISTICS = PairedStatistics(
    Flips(1, 0.1, losses=(3,)),
    PairedAccuracy(10, 8, 0, 1, 1, 1.0, -10.0, (-30.0, 9.0), NoWorse(0.5, "cannot tell", 900)),
    (GroupDifference(0, 5, 0, 1, -20.0, 1.0, 1.0, False),),
    None,
    (ConfusionChange(0, 1, 0, 1),),
    PairedScores(10, -1.0, (-3.0, 0.9), 0.3, NoWorse(0.5, "cannot tell", 90)),
)
ARTIFACT = Artifact(
    "int8.tflite", "tflite", "int8", 100, 90, "0" * 64, ("a note",),
    (Layer("conv", (3, 3, 1, 4), "int8", 36, 0.0, 30, (0.1, 0.2)),),
)  # fmt: skip
COMPARISON = Comparison(
    ARTIFACT, "litert", False, "accuracy", 0.8, 0.9, -10.0, 0.9, 0.1, 3.9, 2.5, (2.4, 2.6),
    Latency(45.6, 50.1, 1, 1000), TENSOR, TENSOR, 0.01, STATISTICS,
)  # fmt: skip
TWIN = replace(
    COMPARISON, artifact=replace(ARTIFACT, path="float32.tflite"), is_twin=True, statistics=None
)
REPORT = Report(
    name="run",
    recipe={
        "name": "run",
        "seed": 0,
        "data": {"source": "npz", "path": "data.npz"},
        "task": {"task": "classification"},
        "baseline": {"model": "m.keras"},
        "technique": [{"technique": "qat"}],
    },
    environment={"machine": "abc", "cores": 2},
    outcome="failed",
    data=DataFacts("arrays", ("a", "b"), {"test": SplitFacts(10, "0" * 64)}),
    baseline=Baseline("baseline.keras", 1000, "accuracy", 0.9),
    comparisons=(TWIN, COMPARISON),
    gates=(Gate("max_drop_points", "int8.tflite", 0.2, 10.0, "failed"),),
)
