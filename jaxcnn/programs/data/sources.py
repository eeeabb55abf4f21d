"""The published files of MNIST, Fashion-MNIST and CIFAR: names, hashes, sizes and
mirrors."""

from __future__ import annotations

from typing import Literal, NamedTuple


class File(NamedTuple):
    """A published file: its name without ".gz", and a SHA-256 either of the archive or
    of the content that is packed in it.

    The hash of the content is the better choice where mirrors have packed the file
    anew, so that their archives differ. `size` is an upper bound for the content, in
    bytes; by default a generous one. An archive is called by the name and the suffix.
    """

    name: str
    of: Literal["archive", "content"]
    sha256: str
    size: int = 2**26
    suffix: str = ".gz"

    @property
    def packed(self) -> str:
        """The name of the archive."""
        return f"{self.name}{self.suffix}"

    @property
    def most(self) -> int:
        """Upper bound for the archive, in bytes: content that does not compress grows
        by less than this."""
        return self.size + self.size // 64 + 4096


class Source(NamedTuple):
    """A data set's name, its mirrors in the order in which they are tried, and its
    files, which each mirror has as archives."""

    name: str
    mirrors: tuple[str, ...]
    files: tuple[File, ...]


MNIST = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (
        File(
            "train-images-idx3-ubyte",
            "content",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            47_040_016,
        ),
        File(
            "train-labels-idx1-ubyte",
            "content",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            60_008,
        ),
        File(
            "t10k-images-idx3-ubyte",
            "content",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            7_840_016,
        ),
        File(
            "t10k-labels-idx1-ubyte",
            "content",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            10_008,
        ),
    ),
)

# The hashes are those of TensorFlow Datasets for fashion_mnist.
FASHION_MNIST = Source(
    "fashion_mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    (
        File(
            "train-images-idx3-ubyte",
            "archive",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            47_040_016,
        ),
        File(
            "train-labels-idx1-ubyte",
            "archive",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            60_008,
        ),
        File(
            "t10k-images-idx3-ubyte",
            "archive",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            7_840_016,
        ),
        File(
            "t10k-labels-idx1-ubyte",
            "archive",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            10_008,
        ),
    ),
)

# The hashes and the address are those of TensorFlow Datasets: url_checksums/cifar10.txt
# and cifar100.txt in github.com/tensorflow/datasets, where the archives have
# 170,052,171 and 168,513,733 bytes.
CIFAR10 = Source(
    "cifar10",
    ("https://www.cs.toronto.edu/~kriz/",),
    (
        File(
            "cifar-10-binary",
            "archive",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            185_000_000,
            ".tar.gz",
        ),
    ),
)
CIFAR100 = Source(
    "cifar100",
    ("https://www.cs.toronto.edu/~kriz/",),
    (
        File(
            "cifar-100-binary",
            "archive",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            185_000_000,
            ".tar.gz",
        ),
    ),
)
