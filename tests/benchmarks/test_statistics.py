"""What statistics and pictures add to a run: `pytest -m benchmark -s`.

In seconds of one core, which a busy machine does not stretch.
"""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.benchmark
PROGRAM = """
import sys, tempfile, time
from pathlib import Path
import numpy as np
from edgecv.core.paired_results import PairedStatistics
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.comparison import Comparison, Latency, Measurement
from edgecv.evaluation.task_of import default_task
from edgecv.reports.changed_images import write_flips
from edgecv.reports.markdown import to_markdown
from edgecv.reports.json_file import write_report

random = np.random.default_rng(0)
labels = random.integers(0, 10, 5000)
logits = random.normal(size=(5000, 10)) + 3 * np.eye(10)[labels]
softmax = lambda x: (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)).astype(np.float32)
baseline, task = Outputs.one(softmax(logits)), default_task()
candidates = [Outputs.one(softmax(logits + 0.2 * random.normal(size=(5000, 10)))) for _ in range(6)]
images = random.integers(0, 256, (5000, 32, 32, 3), dtype=np.uint8)
split = Split(images, labels, "0" * 64)
data = Dataset("noise", tuple("abcdefghij"), split, split, split, split)
tensor = TensorFacts("image", (1, 32, 32, 3), "uint8")
measurements = [
    Measurement(
        Artifact(f"int8-{n}.tflite", "tflite", "int8", 1, 1, "0" * 64), "litert", each,
        SessionFacts(tensor, (tensor,), ((10,),), (8, 8, 3)), (np.ones((40, 20), np.int64),),
    )
    for n, each in enumerate(candidates)
]
folder = Path(tempfile.mkdtemp())
limits = Limits(max_drop_points=1.0, drop_on="bound", max_class_drop_points=3.0, max_flips=0.1)

started = time.process_time()
from edgecv.evaluation.paired_statistics import paired_statistics
found = [paired_statistics(each, baseline, labels, task) for each in candidates]
computed = time.process_time()
comparisons = [
    Comparison(
        each.artifact, "litert", False, "accuracy", 0.7, 0.7, 0.0, 0.9, 0.1, 1.0, 1.0, (1.0, 1.0),
        Latency(1.0, 1.0, 1, 1), tensor, tensor, 0.1, statistics,
    )
    for each, statistics in zip(measurements, found)
]
gates = []
for each in comparisons:
    gates += judge_limits(each, limits, classes=data.class_names, machine="here")
comparisons = write_flips(comparisons, measurements, baseline, data, task, folder)
drawn = time.process_time()
report = Report(
    "noise", {}, {}, "passed", DataFacts("noise", data.class_names, {}), None, comparisons,
    tuple(gates),
)
write_report(report, folder / "report.json")
(folder / "report.md").write_text(to_markdown(report))
done = time.process_time()
sizes = [path.stat().st_size for path in folder.glob("*.png")]
print(
    f"statistics {computed - started:.2f} s, gates and pictures {drawn - computed:.2f} s, "
    f"report {done - drawn:.2f} s: {done - started:.2f} s in all (of a core), "
    f"scipy and Pillow loaded anew; flips {[each.flips.count for each in found]}, "
    f"pictures of {max(sizes):,} bytes at most, "
    f"report.json of {(folder / 'report.json').stat().st_size:,} bytes"
)
sys.exit(done - started >= 2)
"""


def test_six_artifacts_on_5000_images_take_less_than_two_seconds() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
