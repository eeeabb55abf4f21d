"""Images by the options of a command line: the published sets by name, and folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from rich.console import Console
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from jaxcnn.programs.data.arrays import from_arrays
from jaxcnn.programs.data.cifar import CIFAR10_FORM, CIFAR100_FORM, Form, read_cifar
from jaxcnn.programs.data.download import TIMEOUT, download
from jaxcnn.programs.data.errors import DataError as DataError
from jaxcnn.programs.data.folders import load_folder, load_test_folder
from jaxcnn.programs.data.mnist import read_folder
from jaxcnn.programs.data.options import DataOptions, check_data_options
from jaxcnn.programs.data.sources import CIFAR10, CIFAR100, FASHION_MNIST, MNIST, Source
from jaxcnn.programs.data.splits import Dataset, Split
from jaxcnn.programs.messages import times

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_CIFAR = {CIFAR10.name: (CIFAR10, CIFAR10_FORM), CIFAR100.name: (CIFAR100, CIFAR100_FORM)}
_PUBLISHED = {MNIST.name: (MNIST, _DIGITS), FASHION_MNIST.name: (FASHION_MNIST, _CLOTHES)}

Say = Callable[[str], object]


def load(options: DataOptions, *, say: Say = print, console: Console | None = None) -> Dataset:
    """The data set of these options.

    Args:
      options: which images, and how they are read.
      say: is told of each download and each failure, in a line.
      console: where the progress of decoding is shown if it is a terminal; stderr by
        default.

    Raises:
      ConfigError: if an option makes no sense.
      DataError: if files are missing or damaged, too many are no images, or they could
        not be downloaded.

    >>> dataset = load(DataOptions("digits"))
    >>> dataset.image_shape, len(dataset.train), len(dataset.test)
    ((8, 8, 1), 1437, 360)
    """
    check_data_options(options)
    if options.dataset == "digits":
        if options.data_dir is not None:
            raise DataError(
                "the digits come with scikit-learn and are in no folder: add --dataset folder for"
                f" pictures of your own, or leave --data-dir {options.data_dir} out"
            )
        return digits(options)
    if options.dataset == "folder":
        return load_folder(options, say=say, console=console)
    if options.dataset in _CIFAR:
        return cifar(*_CIFAR[options.dataset], options, say=say)
    source, classes = _PUBLISHED[options.dataset]
    return published(source, classes, options, say=say)


def load_test(
    options: DataOptions,
    *,
    classes: tuple[str, ...],
    image_shape: tuple[int, int, int],
    held_out: bool,
    say: Say = print,
    console: Console | None = None,
) -> Split:
    """The images that a trained network is judged by.

    Args:
      options: as in `load`; of a folder, `image_size` and `channels` are not used. A
        folder need not have images to train with.
      classes: those of the network.
      image_shape: (h, w, c), which the network takes.
      held_out: of a folder DIR/CLASS/*, without train, test or val, True takes the
        share that was held out when the network was trained on this folder, and False
        takes all images.
      say, console: as in `load`.

    Raises:
      ConfigError, DataError: as `load`; and if there is a class that the network does
        not know.
    """
    check_data_options(options)
    if options.dataset == "folder":
        return load_test_folder(
            options, classes, image_shape, held_out=held_out, say=say, console=console
        )
    wanted = replace(options, classes=classes, channels=1 if image_shape[2] == 1 else 3)
    dataset = load(wanted, say=say, console=console)
    if dataset.image_shape != image_shape:
        raise DataError(
            f"the images of {options.dataset} are {times(dataset.image_shape)}, and the network"
            f" takes {times(image_shape)}: pass the --image-size that it was trained with"
        )
    return dataset.final


def digits(options: DataOptions | None = None) -> Dataset:
    """Scikit-learn's digits (Alpaydin and Kaynak 1998, UCI): 1,797 images of 8x8, of
    which 360 are held out for the test. Their 17 levels of grey become 0 to 255.

    A fifth of each class is held out, always the same images, whatever the seed of a
    run.
    """
    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    x_train, x_test, y_train, y_test = train_test_split(
        x, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    options = options or DataOptions("digits")
    return from_arrays(options, _DIGITS, (x_train, y_train), (x_test, y_test))


def published(
    source: Source,
    classes: tuple[str, ...],
    options: DataOptions,
    *,
    say: Say = print,
    timeout: float = TIMEOUT,
) -> Dataset:
    """A data set of 28x28 images in ten classes, in files like MNIST's: those in
    `options.data_dir`, or else the source's.

    The split is that of the publication (mnist: LeCun et al. 1998; fashion_mnist: Xiao
    et al. 2017): 60,000 training images and 10,000 test images.

    Raises:
      ConfigError, DataError: as `load`.
    """
    folder = options.data_dir or download(source, say=say, timeout=timeout)
    train, test = ((part.images[..., None], part.labels) for part in read_folder(folder))
    return replace(from_arrays(options, classes, train, test), name=source.name)


def cifar(
    source: Source,
    form: Form,
    options: DataOptions,
    *,
    say: Say = print,
    timeout: float = TIMEOUT,
) -> Dataset:
    """CIFAR-10 or CIFAR-100 from the archive in `options.data_dir`, or the files out of
    it, or else from the source.

    The split is that of the publication (Krizhevsky 2009): 50,000 training images and
    10,000 test images of 32x32 pixels in colour.

    Raises:
      ConfigError, DataError: as `load`.
    """
    folder = options.data_dir or download(source, say=say, timeout=timeout)
    classes, train, test = read_cifar(folder, form)
    return replace(from_arrays(options, classes, train, test), name=source.name)


def scaled(images: np.ndarray) -> np.ndarray:
    """Images in 0, ..., 255 to float32 in [0, 1], without the float64 copy of a plain
    division."""
    return np.divide(images, 255, dtype=np.float32)
