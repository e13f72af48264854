"""The recipe's own keys: how a run computes and measures, and where its results go."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecv.core.options import Options
from edgecv.core.plugins import Target
from edgecv.core.quantity import BYTES
from edgecv.core.registry import TARGETS
from edgecv.formats.tflite.interpreter import USUAL_KERNELS, Kernels


class RunSettings(Options):
    """The keys of a recipe that are not tables."""

    name: str
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the splits, the initial weights and the order of the images."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of a runtime while its latency is measured."""
    kernels: Kernels = USUAL_KERNELS
    """The kernels of LiteRT that .tflite files are measured with: xnnpack, builtin (interpreters
    without XNNPACK, as on microcontrollers) or reference (plain loops, very slow)."""

    control: Literal["on", "off"] = "on"
    """Training of a control beside techniques that train: the baseline is trained on with the same
    epochs, data and options, and limits on quality are held against the better of both."""
    judged_on: Literal["test", "validation"] = "test"
    """The images that files are judged on. A search judges its trials on validation images, so that
    the test images choose nothing."""
    train_fraction: float = Field(default=1.0, gt=0, le=1)
    """Fraction of the training images that techniques train on, drawn over the whole split: for
    trials that only show what is worth a whole training. A baseline is trained on all."""
    unlabelled: str | None = None
    """A folder of images without labels, or a .npy of uint8 (N, H, W, C): techniques with a teacher
    learn what it says of them too, as many in each batch as of the training images. Test and
    validation images among them are left out."""
    remark: str = Field(default="", max_length=1000)
    """A sentence for the report, such as what has chosen the recipe."""
    device: Target | None = None
    """The device that the files are measured on, as a target of ``edgecv deploy``; without it they
    are measured on this machine."""

    cache: str | None = None
    """The folder where decoded images are kept; by default EDGECV_CACHE_DIR, or the user's cache.
    The recipe of a finished run holds no options of the cache: they change nothing in it."""
    cache_limit: str | None = None
    """The most that decoded images take there, such as "50GB"; by default EDGECV_CACHE_LIMIT, or
    50 GB. Those used longest ago are removed."""
    no_cache: bool = False
    """Keep no decoded images: image files are decoded in each epoch."""

    @field_validator("cache_limit")
    @classmethod
    def _cache_limit_is_a_size(cls, given: str | None) -> str | None:
        if given is not None:
            try:
                BYTES.parse(given)
            except ValueError:
                raise ValueError("a size such as 50GB or 800MB") from None
        return given

    @model_validator(mode="after")
    def _no_cache_has_no_folder(self) -> Self:
        if self.no_cache and (self.cache or self.cache_limit):
            raise ValueError("without a cache there is no folder and no limit of one")
        return self

    @model_validator(mode="after")
    def _kernels_are_of_this_machine(self) -> Self:
        if self.device is not None and self.kernels != USUAL_KERNELS:
            raise ValueError("for this machine: a device has its own kernels")
        return self

    def table(self) -> dict[str, Any]:
        """Return the keys of a recipe."""
        kernels = {} if self.kernels == USUAL_KERNELS else {"kernels": self.kernels}
        device = {} if self.device is None else {"device": TARGETS.table(self.device)}
        control = {} if self.control == "on" else {"control": self.control}
        trial = {
            key: getattr(self, key)
            for key in ("judged_on", "train_fraction", "remark")
            if getattr(self, key) != RunSettings.model_fields[key].default
        }
        own = {"name": self.name, "seed": self.seed, "threads": self.threads}
        further = {} if self.unlabelled is None else {"unlabelled": self.unlabelled}
        return {**own, **kernels, **device, **control, **trial, **further}

    @property
    def run_by(self) -> dict[str, Any]:
        """The threads, kernels and device of runtimes that are not the usual ones, for keys of
        what was chosen by measurements.
        """
        usual = {"threads": RunSettings.model_fields["threads"].default}
        found = {key: self.table().get(key) for key in ("threads", "kernels", "device")}
        return {key: each for key, each in found.items() if each not in (None, usual.get(key))}

    @property
    def measured_with(self) -> dict[str, Any]:
        """The seed, and kernels and device if they are not the usual ones, for a report."""
        return {
            key: each
            for key, each in self.table().items()
            if key not in ("name", "threads", "unlabelled")
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: other images, training, device or kernels than the usual."""
        notes = [self.remark] if self.remark else []
        if self.judged_on == "validation":
            notes.append(
                "judged on the validation images: what this report calls test images are these,"
                " on which trainings choose their best epoch, so figures are a little too good"
            )
        if self.train_fraction < 1:
            notes.append(
                f"techniques trained on {self.train_fraction:.0%} of the training images: a trial"
            )
        if self.device is not None:
            notes.append(
                f"answers and times of the files are those of {self.device.place}; the original,"
                " and all checks of files, ran on this machine"
            )
        elif self.kernels != USUAL_KERNELS:
            notes.append(
                f"answers and times of .tflite files are those of LiteRT's {self.kernels} kernels,"
                f" not of {USUAL_KERNELS}"
            )
        return tuple(notes)
