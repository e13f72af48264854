"""The images and targets of a source, decoded and not yet split."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edgecv.core.data import Dataset, Targets
from edgecv.core.images import ImageSequence, image_rows
from edgecv.core.plugins import DatasetSource
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.targets import kinds_of, rarest_class
from edgecv.datasets.exact_copies import Digests, image_digests
from edgecv.datasets.splits import IMAGES_A_TEST_IMAGE, partition, set_aside

PERHAPS_TRAINED_ON = (
    "a model that was trained on some of these test images looks better here than it is, and loses"
    " less: give test/ with images that it has not seen"
)
"""Note on a model from elsewhere whose test images were drawn."""


@dataclass(frozen=True)
class Decoded:
    """The images and targets of a source before the split: uint8 (N, H, W, C), (N, ...)."""

    class_names: tuple[str, ...]
    train_images: ImageSequence
    train_labels: Targets
    test_images: ImageSequence
    test_labels: Targets
    notes: tuple[str, ...] = ()
    digests: tuple[Digests, Digests] | None = None
    chosen_images: int = 0
    """Images at the end of the training images that are the validation split."""
    target_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """As of a Dataset."""
    meaning: Preprocessing | None = None
    """As of a Dataset."""
    has_drawn_test: bool = False
    """As of a Dataset."""

    def split(self, name: str, where: str, validation: float, seed: int) -> Dataset:
        """Split it into a data set called ``name``."""
        notes = self.notes
        if self.chosen_images and validation != DatasetSource.model_fields["validation"].default:
            notes = (
                *notes,
                f"the validation images are those of the data, not {validation:g} of train",
            )
        found = partition(
            name,
            self.class_names,
            self.train_images,
            self.train_labels,
            self.test_images,
            self.test_labels,
            validation=validation,
            seed=seed,
            notes=notes,
            digests=self.digests,
            where=where,
            chosen_images=self.chosen_images,
            target_names=self.target_names,
        )
        return replace(found, meaning=self.meaning, has_drawn_test=self.has_drawn_test)

    def with_digests(self) -> "Decoded":
        """Return it with the digests of its images."""
        if self.digests is not None:
            return self
        digests = image_digests(self.train_images), image_digests(self.test_images)
        return replace(self, digests=digests)

    def with_test_images(self, seed: int) -> "Decoded":
        """Return it with a test split, drawn from its training images by a seed."""
        digests = self.digests or (image_digests(self.train_images), None)
        is_test = set_aside(rarest_class(self.train_labels), digests[0], seed)
        is_of_class = kinds_of(self.train_labels) == ("class",)
        note = (
            f"there is no test split: one image in {IMAGES_A_TEST_IMAGE}"
            f"{' of each class' * is_of_class} was set aside for it, by the seed {seed}"
        )
        images = image_rows(self.train_images)
        return replace(
            self,
            train_images=images.at(~is_test),
            train_labels=self.train_labels[~is_test],
            test_images=images.at(is_test),
            test_labels=self.train_labels[is_test],
            digests=(digests[0][~is_test], digests[0][is_test]),
            notes=(note, *self.notes),
            has_drawn_test=True,
        )
