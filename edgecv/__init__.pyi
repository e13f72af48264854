from .acceptance.records import Judgement
from .analysis.bench import BenchResult
from .analysis.doctor.records import Diagnosis
from .api import (
    bench,
    compress,
    deploy,
    doctor,
    gate,
    inspect,
    load_report,
    search,
    train,
    validate,
)
from .core.errors import EdgecvError, InputError, RuntimeFailure, StepError
from .core.report import Report
from .formats.contents import Inspection
from .pipeline.search.front import SearchResult
from .pipeline.stored_training import Training

__version__: str
__all__ = [
    "BenchResult",
    "Diagnosis",
    "EdgecvError",
    "InputError",
    "Inspection",
    "Judgement",
    "Report",
    "RuntimeFailure",
    "SearchResult",
    "StepError",
    "Training",
    "__version__",
    "bench",
    "compress",
    "deploy",
    "doctor",
    "gate",
    "inspect",
    "load_report",
    "search",
    "train",
    "validate",
]
