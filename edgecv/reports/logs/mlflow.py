"""Runs and registered models of MLflow."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from edgecv.core.errors import InputError, StepError
from edgecv.core.options import Text
from edgecv.core.plugins import ExperimentLog, Figures, LoggedResults, LoggedRun
from edgecv.core.text import one_line, without_password

SERVERS = ("http://", "https://", "databricks")
"""Beginnings of URIs that are asked over a network."""
SQLITE = "sqlite:///"
DATABASE = "mlflow.db"
EXPERIMENT = "edgecv"
USUAL_SETTINGS = {
    # MLflow waits for minutes by default, and says to its makers that it is used.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
LONGEST_PARAMETER = 500
LONGEST_NOTE = 5_000
"""Letters that every store of MLflow takes."""
MOST_AT_ONCE = 100
"""Parameters of one request."""


class MLflow(ExperimentLog):
    """Keeps a run in MLflow: parameters, metrics, files, the model with its verdict."""

    name: ClassVar[str] = "mlflow"
    address: ClassVar[str] = "uri"
    uri: Text | None = None
    """The tracking URI; by default MLFLOW_TRACKING_URI, else a database in logs/mlflow in the
    folder of all runs."""
    experiment: str = EXPERIMENT
    """The experiment that runs are put into."""

    def check(self, run: LoggedRun) -> None:
        """Raise InputError where MLflow or its database is not there. No server is asked."""
        try:
            _mlflow()
        except ImportError:
            raise InputError(
                "--log mlflow", "MLflow is not installed", remedy='pip install "edgecv[mlflow]"'
            ) from None
        uri = self._uri(run)
        if uri.startswith(SERVERS):
            return
        try:
            _client(uri).get_experiment_by_name(self.experiment)
        except Exception as error:  # of any library for databases
            raise InputError(
                "--log mlflow",
                f"{without_password(uri)} cannot be opened: {one_line(str(error))[:200]}",
                accepted="http://HOST:PORT of a server, sqlite:///PATH, or a folder",
            ) from error

    def open(self, run: LoggedRun) -> "MLflowRun":
        """Start a run. Raises StepError where a server does not answer."""
        return MLflowRun(run, self._uri(run), self.experiment)

    def _uri(self, run: LoggedRun) -> str:
        usual = f"{SQLITE}{(run.folder / 'mlflow' / DATABASE).absolute()}"
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or usual


class MLflowRun:
    """One run in a store of MLflow."""

    def __init__(self, run: LoggedRun, uri: str, experiment: str) -> None:
        self._run, self._is_finished = run, False
        # MLflow registers the models of a folder in the current one.
        self._has_models = urlsplit(uri).scheme not in ("", "file")
        self._client = _client(uri)
        found = self._answer(uri, lambda: self._client.get_experiment_by_name(experiment))
        number = (
            self._client.create_experiment(experiment, artifact_location=_files_beside(uri))
            if found is None
            else found.experiment_id
        )
        started = self._client.create_run(number, run_name=run.name, tags={"started": run.started})
        self._id: str = started.info.run_id
        self._artifacts: str = started.info.artifact_uri
        entities = _mlflow().entities
        parameters = [
            entities.Param(_name(key), str(value)[:LONGEST_PARAMETER])
            for key, value in run.parameters.items()
        ]
        for start in range(0, len(parameters), MOST_AT_ONCE):
            self._client.log_batch(self._id, params=parameters[start : start + MOST_AT_ONCE])

    @staticmethod
    def _answer(uri: str, ask: Callable[[], Any]) -> Any:
        """Return the first answer of a store. Raises StepError where a server gives none."""
        from mlflow.exceptions import MlflowException
        from requests import ConnectionError, Timeout

        try:
            return ask()
        except MlflowException as error:
            if isinstance(error.__context__, ConnectionError | Timeout):
                raise StepError(
                    "the tracking server", f"{without_password(uri)} does not answer"
                ) from None
            raise

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        """Log the figures of an epoch, as TRAINING/FIGURE."""
        self._log({f"{training}/{name}": value for name, value in figures.items()}, number)

    def finish(self, results: LoggedResults) -> None:
        """Log figures and files, and register the model with its verdict."""
        self._log(results.figures, 0)
        self._client.set_tag(self._id, "verdict", results.outcome)
        self._client.set_tag(self._id, "mlflow.note.content", results.text[:LONGEST_NOTE])
        for path in results.files:
            self._client.log_artifact(self._id, str(path))
        if self._has_models:
            self._register(results.outcome)
        self._is_finished = True

    def close(self) -> None:
        """End the run: as failed where it has no results."""
        self._client.set_terminated(self._id, "FINISHED" if self._is_finished else "FAILED")

    def _log(self, figures: Figures, step: int) -> None:
        import time

        now, entities = int(time.time() * 1000), _mlflow().entities
        metrics = [
            entities.Metric(_name(name), value, now, step) for name, value in figures.items()
        ]
        self._client.log_batch(self._id, metrics=metrics)

    def _register(self, outcome: str) -> None:
        """Register the files of the run as a version of a model of its name."""
        from mlflow.exceptions import MlflowException

        name = self._run.name.replace(".", "_")
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code == "FEATURE_DISABLED":  # The store has no models.
                return
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        self._client.create_model_version(
            name, source=self._artifacts, run_id=self._id, tags={"verdict": outcome}
        )


def _client(uri: str) -> Any:
    # Models would be registered in the current folder otherwise.
    return _mlflow().MlflowClient(tracking_uri=uri, registry_uri=uri)


def _files_beside(uri: str) -> str | None:
    """Return the folder for the files of runs beside a database; None where a store has its own.

    MLflow itself would take the current folder.
    """
    if not uri.startswith(SQLITE):
        return None
    return (Path(uri.removeprefix(SQLITE)).absolute().parent / "artifacts").as_uri()


def _mlflow() -> Any:
    """Import MLflow with our own defaults, which the environment may change."""
    for name, value in USUAL_SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    return mlflow


def _name(text: str) -> str:
    """Return a name of a metric or a parameter as MLflow takes it.

    >>> _name("int8.tflite (head)/accuracy")
    'int8.tflite _head_/accuracy'
    """
    return re.sub(r"[^\w .\-/]", "_", text)
