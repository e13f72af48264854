"""Latency of files on a device: rounds of fresh processes there, as on this machine."""

from pathlib import Path

import numpy as np

from edgecv.analysis.bench.records import Combination
from edgecv.analysis.bench.rounds import Bench
from edgecv.analysis.described_files import report_in, single_file
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.plugins import DeployedFile
from edgecv.pipeline.deployed_file import deployed_file
from edgecv.pipeline.device import DeviceSession


class DeviceBench(Bench):
    """Files that are timed on random images on the device of the measurements."""

    def run(self) -> None:
        """Time the files in rounds until the budget is used."""
        pool, settings = self.context.measurements, self.settings
        assert pool.device is not None
        if max(settings.batch) > 1:
            raise InputError("--batch", "a device runs one image at a time", remedy="leave it out")
        if settings.is_grid:
            raise InputError(
                "--threads", "a device is timed with one number of threads", remedy="give one"
            )
        files = [
            single_file(path, settings.input_spec, report_in(path.parent)) for path in self.paths
        ]
        pool.reach_device([file.artifact.format for file in files])
        self._files: list[DeployedFile] = []
        with DeviceSession(pool.device, pool.device_context()) as self._session:
            for file in files:
                try:
                    self._add(deployed_file(file, pool))
                except RuntimeFailure as failure:
                    self.drop(self._combination(file.path), failure)
            super().run()

    def round(self, number: int, most_s: float) -> None:
        """Time all files in turn, each in a fresh process.

        Where one fails it is left out, and the round of the others begins again.
        """
        self.announce(len(self.alive()), number)
        while files := self._alive_files():
            images = [random_image(file) for file in files]
            try:
                found = self._session.round(files, images, number)
            except RuntimeFailure as failure:
                failed = self._session.at or files[0]
                self.drop(self._combination(failed.path), failure)
                continue
            for file, blocks in zip(files, found or (), strict=True):
                self.blocks.setdefault(self._combination(file.path), []).append(blocks)
            return

    def _alive_files(self) -> list[DeployedFile]:
        return [file for file in self._files if self._combination(file.path) not in self.failures]

    def _combination(self, path: Path) -> Combination:
        return Combination(path, *self.settings.threads, *self.settings.batch)

    def _add(self, file: DeployedFile) -> None:
        """Build a file and time it once, so that one that fails there is left out by itself."""
        self._session.build(file)
        with self._session.opened(file) as device:
            if device.time(random_image(file)) is None:
                raise InputError(
                    f"--on {self.settings.on}",
                    "a time says nothing there",
                    remedy="edgecv validate --on shows its answers",
                )
        self._files.append(file)


def random_image(file: DeployedFile) -> np.ndarray:
    """Return an image of noise as a file takes it: uint8 (1, H, W, C)."""
    return np.random.default_rng(0).integers(0, 256, (1, *file.facts.image), np.uint8)
