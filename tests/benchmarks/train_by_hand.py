"""One network trained by hand: with `fit` of Keras, or with a compiled loop of PyTorch.

The CIFAR CNN of edgecv on random images, batches of 128, Adam; images are mirrored and shifted as
edgecv's own training does. Prints the seconds of each epoch as JSON.

    python tests/benchmarks/train_by_hand.py keras|torch IMAGES EPOCHS
"""

import json
import os
import sys
import time

import numpy as np

BATCH, SHIFT, SIDE, CLASSES = 128, 2, 32, 10


def data(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    return images, random.integers(0, CLASSES, count)


def with_keras(images: np.ndarray, labels: np.ndarray, epochs: int) -> list[float]:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    import tf_keras as keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])

    def moved(batch, truth):
        batch = tf.image.random_flip_left_right(tf.cast(batch, tf.float32))
        margins = [[0, 0], [SHIFT, SHIFT], [SHIFT, SHIFT], [0, 0]]
        padded = tf.pad(batch, margins, mode="REFLECT")
        return tf.image.random_crop(padded, (tf.shape(batch)[0], SIDE, SIDE, 3)), truth

    pairs = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images))
    batches = pairs.batch(BATCH, drop_remainder=True).map(moved).prefetch(2)
    times = []
    for _ in range(epochs):
        started = time.perf_counter()
        model.fit(batches, verbose=0)
        times.append(time.perf_counter() - started)
    return times


def with_torch(images: np.ndarray, labels: np.ndarray, epochs: int) -> list[float]:
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, CLASSES),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters())
    compiled = torch.compile(model)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    truth = torch.from_numpy(labels)
    times = []
    for _ in range(epochs):
        started = time.perf_counter()
        for chosen in torch.randperm(len(images)).split(BATCH):
            if len(chosen) < BATCH:
                break
            batch = pixels[chosen].float().div(255)
            row, column = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
            padded = nn.functional.pad(batch, (SHIFT,) * 4, mode="reflect")
            batch = padded[:, :, row : row + SIDE, column : column + SIDE]
            batch = batch.flip(-1) if torch.rand(1) < 0.5 else batch
            optimizer.zero_grad()
            batch = batch.contiguous(memory_format=torch.channels_last)
            nn.functional.cross_entropy(compiled(batch), truth[chosen]).backward()
            optimizer.step()
        times.append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    how, count, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    found = {"keras": with_keras, "torch": with_torch}[how](*data(count), epochs)
    print(json.dumps(found))
