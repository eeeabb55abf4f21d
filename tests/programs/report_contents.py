"""Contents of reports, made up. `python tests/programs/report_contents.py FOLDER`
writes their pages, to be looked at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from jaxcnn.programs.train.learning_curves import learning_curves
from jaxcnn.programs.train.mistake_pictures import confusion_matrix
from jaxcnn.programs.train.page.content import Data, Picture, ReportContent
from jaxcnn.programs.train.page.render import write_report

LONG = "a class that somebody named with a whole sentence"
AWKWARD = ("cat", "犬と猫", "كلب أسود", "собака", LONG, "<b>bold</b>", "a & b", " ")


def png(figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


@cache
def made_up(
    classes: Sequence[str] = AWKWARD,
    *,
    images: int = 400,
    epochs: int = 12,
    channels: int = 3,
    size: int = 32,
    right: float = 0.8,
    never: int | None = None,
    pictures: bool = False,
) -> ReportContent:
    """A run of which this share of the test images is right, but for one class that is
    never predicted."""
    random, count = np.random.default_rng(0), len(classes)
    labels = np.concatenate([np.arange(count), random.integers(0, count, images - count)])
    answers = np.where(random.random(images) < right, labels, random.integers(0, count, images))
    answers = np.where(answers == never, (answers + 1) % count, answers)
    sure = random.uniform(0.6, 0.999, images)[:, None]
    probabilities = np.where(
        np.arange(count) == answers[:, None], sure, (1 - sure) / max(count - 1, 1)
    )
    colours = random.integers(0, 256, (count, 1, 1, channels))
    noise = random.normal(0, 30, (images, size, size, channels))
    accuracy = float(np.mean(answers == labels))
    rows = [
        {
            "epoch": epoch,
            "train_loss": 2.3 / epoch + 0.3,
            "train_accuracy": accuracy * (1 - 0.5 / epoch),
            "test_loss": 2.4 / epoch + 0.4,
            "test_accuracy": accuracy * (1 - 0.4 / epoch) if epoch < epochs else accuracy,
            "learning_rate": 0.003,
            "seconds": 4.0,
        }
        for epoch in range(1, epochs + 1)
    ]
    title = "resnet20 on folder"
    more = ()
    if pictures:
        figure = confusion_matrix(labels, answers, classes, title)
        more = (Picture("Confusions", "Only mistakes are coloured.", png(figure)),)
    return ReportContent(
        title=title,
        commands=(
            "jaxcnn train --dataset folder --data-dir pictures --image-size 32 --model resnet20"
            " --epochs 12 --seed 0 --output runs/mine",
            "jaxcnn train --dataset folder --data-dir pictures --image-size 32 --model resnet20"
            " --epochs 12 --seed 0 --output runs/mine --resume",
        ),
        options={"model": "resnet20", "learning_rate": 0.003, "clip_norm": None, "flip": True},
        data=Data(
            "pictures",
            classes,
            train_counts=4 * np.bincount(labels, minlength=count),
            test_counts=np.bincount(labels, minlength=count),
            image_shape=(size, size, channels),
            notes=(
                "A fifth of each class was held out for the test, by seed 0.",
                "2 of 2,002 files could not be read: notes.txt (no image), half.jpg (cut off).",
            ),
        ),
        rows=rows,
        planned_epochs=epochs,
        images=np.clip(colours[labels] + noise, 0, 255).astype(np.uint8),
        labels=labels,
        probabilities=probabilities,
        files=[f"{classes[label]}/picture {n}.jpg" for n, label in enumerate(labels)],
        curves=Picture(
            "Loss and accuracy by epoch",
            "Training metrics are means over the epoch, test metrics are taken after it.",
            png(learning_curves(rows, title)),
        ),
        pictures=more,
        environment={"date": "2026-11-26", "jaxcnn": "0.2.0", "device": "cpu", "cores": 2},
        seconds=754.0,
    )


def pages() -> dict[str, ReportContent]:
    awkward = made_up(never=3)
    return {
        "awkward": awkward,
        "two": made_up(("no", "yes"), images=200, channels=1, size=8),
        "hundred": made_up(
            tuple(f"species number {n}" for n in range(100)), images=2000, never=7, pictures=True
        ),
        "perfect": made_up(("no", "yes"), images=50, right=1.0),
        "incomplete": replace(awkward, planned_epochs=100, commands=awkward.commands[:1]),
    }


if __name__ == "__main__":
    for name, content in pages().items():
        write_report(Path(sys.argv[1]) / f"{name}.html", content)
