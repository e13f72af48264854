"""Names that other tools have for options and commands, and the names that they have here."""

from collections.abc import Collection

from edgecv.cli.commands import COMMANDS
from edgecv.core.text import nearest

OF_A_BASELINE = "under [baseline.training]"
TRAINING = {
    "train": f"{OF_A_BASELINE} of a recipe (edgecv train --recipe)",
    "search": "in training = { ... } under [search.technique.NAME] of a recipe"
    f" (edgecv search --recipe), or {OF_A_BASELINE} where no model is given",
}
"""The table that says how to train, in a recipe of a command."""
OF_TECHNIQUES = (
    "in training = { ... } under [[technique]] of a recipe (edgecv compress --recipe), or"
    f" {OF_A_BASELINE} where no model is given"
)
OPTIONS = {
    "--data": "dataset data-dir data-path image-dir input-data train-data test-data",
    "--validation": "validation-split val-split val-size val-fraction validation-fraction",
    "--architecture": "arch network backbone model-name",
    "--epochs": "epoch num-epochs train-epochs",
    "--quantize": "bits precision dtype quantization quantisation quant int8 ptq weight-bits",
    "--prune": "sparsity pruning magnitude-pruning prune-ratio amount",
    "--cluster": "clusters num-clusters clustering palettize weight-sharing n-clusters",
    "--shrink": "channels width filters channel-pruning structured width-multiplier flops macs",
    "--distil": "distill distillation kd knowledge-distillation",
    "--qat": "quantization-aware fake-quant quantize-aware",
    "--calibration-images": "calibrate calibration num-calibration calib samples "
    "representative-dataset calibration-size calibration-samples",
    "--format": "formats target output-format export to tflite onnx backend",
    "--one-scale": "per-tensor per-channel per-layer shared-weights clustered",
    "--io": "input-type output-type inference-input-type io-type inference-type",
    "--preprocess": "normalize normalization mean std scale rescale preprocessing",
    "--labels": "class-names classes label-file names",
    "--output": "output-dir out out-dir outdir save-dir export-dir dest",
    "--name": "run-name run-id experiment tag",
    "--recipe": "config cfg yaml configuration",
    "--force": "overwrite replace yes",
    "--dry-run": "plan show check",
    "--seed": "random-seed random-state",
    "--threads": "num-threads cpus cores jobs",
    "--workers": "n-jobs parallel processes",
    "--max-drop": "tolerance accuracy-drop max-loss accuracy threshold",
    "--max-size": "size max-bytes model-size flash",
    "--max-latency": "latency max-time latency-budget",
    "--min-speedup": "speedup faster",
    "--trust-model": "unsafe no-safe-mode allow-pickle trust-remote-code",
    "--lr": "learning-rate",
    "--batch": "batch-size batchsize",
    "--budget": "duration seconds time timeout runs iterations num-runs",
    "--baseline": "reference original golden",
    "--input-size": "shape input-shape image-size img-size imgsz resolution",
    "--layout": "data-format channels-first channels-last channel-order nchw nhwc",
    "--against": "lock accepted",
    "--update": "accept approve",
    "--fix": "repair remedy",
    "--to": "target device",
    "--device": "gpu cuda accelerator",
    "--log": "logger report-to tracking track tensorboard mlflow wandb csv logdir",
    "--profile": "board mcu hardware",
    "--verbose": "debug log-level v",
    "--quiet": "silent no-progress q",
}
"""Each option, and its names in other tools."""
ELSEWHERE = {
    "lr learning-rate": "it is learning_rate {training}",
    "batch-size batchsize": "it is batch {training}",
    "momentum weight-decay optimizer scheduler": "how to train stands {training}",
    "lr-decay decay warmup patience": "it is a key {training}",
    "input-shape input-size image-size img-size imgsz shape resolution": (
        "it is input_shape under [baseline] of a recipe; a model file has its own"
    ),
    "input input-model model model-path weights checkpoint file path": (
        "a file stands without a flag: edgecv {command} FILE"
    ),
    "exclude layers skip-layers": "it is exclude under [[technique]] of a recipe",
    "temperature alpha": 'they are temperature and mix under [[technique]] "distil" of a recipe',
    "per-channel": "weights are always quantized a channel at a time where the format can",
    "gpu cuda device": (
        "files are measured on this machine's processor, or where --on says: edgecv validate"
    ),
}
"""Options of other tools that are not options here, and where each is set instead."""
COMMAND_SYNONYMS = {
    "compress": "quantize quantise convert export prune optimize optimise shrink distil run",
    "train": "fit",
    "deploy": "bundle package flash upload push device",
    "predict": "infer inference classify",
    "validate": "evaluate eval test check accuracy",
    "bench": "benchmark time latency profile speed",
    "inspect": "info show summary analyze analyse describe",
    "doctor": "debug diagnose explain why",
    "report": "html page dashboard view open render",
    "compare": "diff versus runs",
    "card": "modelcard model-card readme",
    "gate": "accept approve ci",
    "verify": "hash integrity",
    "list": "ls datasets techniques formats architectures",
    "schema": "recipe",
}


def option_meant(option: str, command: str, known: Collection[str]) -> str:
    """Return the remedy for an unknown option: the option here that does the same.

    >>> option_meant("--sparsity", "compress", ["--prune"])
    'did you mean "--prune"?'
    >>> option_meant("--decay", "train", [])
    'it is a key under [baseline.training] of a recipe (edgecv train --recipe)'
    >>> option_meant("--learning-rate", "train", ["--lr"])
    'did you mean "--lr"?'
    """
    word = option.lstrip("-").lower().replace("_", "-")
    if f"--{word}" in known:
        return f'did you mean "--{word}"?'
    for meant, synonyms in OPTIONS.items():
        if meant in known and word in synonyms.split():
            return f'did you mean "{meant}"?'
    for synonyms, remedy in ELSEWHERE.items():
        if word in synonyms.split():
            training = TRAINING.get(command, OF_TECHNIQUES)
            return remedy.format(command=command, training=training)
    return nearest(f"--{word}", known) or f"see edgecv {command} --help"


def command_meant(name: str) -> str:
    """Return the remedy for an unknown command: the command here that does the same.

    >>> command_meant("quantize"), command_meant("serch")
    ('did you mean "compress"?', 'did you mean "search"?')
    """
    for meant, synonyms in COMMAND_SYNONYMS.items():
        if name.lower() in (meant, *synonyms.split()):
            return f'did you mean "{meant}"?'
    return nearest(name.lower(), COMMANDS) or "see edgecv --help"
