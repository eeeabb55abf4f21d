"""CIFAR-10 and CIFAR-100: archives made here from the definition of the format, and
served on the loopback interface. The published archives themselves were not fetched."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from file_server import respond, truncated_in_secret, web_page
from idx_files import bounded_memory

from jaxcnn.programs.data import cifar
from jaxcnn.programs.data.cifar import CIFAR10_FORM, CIFAR100_FORM
from jaxcnn.programs.data.dataset import cifar as load_cifar
from jaxcnn.programs.data.dataset import load
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.sources import CIFAR10, CIFAR100, File, Source
from jaxcnn.programs.options import ConfigError

FORMS = {"cifar10": CIFAR10_FORM, "cifar100": CIFAR100_FORM}
NAMES = {"cifar10": [f"thing{n}" for n in range(10)], "cifar100": [f"fine_{n}" for n in range(100)]}


def part(seed: int, count: int, classes: int):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 32, 32, 3), np.uint8), random.integers(0, classes, count)


def records(images, labels, coarse: bool) -> bytes:
    """Record by record, colour by colour, row by row."""
    content = bytearray()
    for image, label in zip(images, labels, strict=True):
        content += bytes([7, label] if coarse else [label])
        for colour in range(3):
            for row in image[..., colour]:
                content += row.tobytes()
    return bytes(content)


def files_of(name: str, count: int = 2) -> dict[str, bytes]:
    form = FORMS[name]
    contents = {
        file: records(*part(seed, count, form.classes), coarse=form.label_bytes == 2)
        for seed, file in enumerate((*form.train, *form.test))
    }
    return contents | {form.names: "".join(f"{each}\n" for each in [*NAMES[name], ""]).encode()}


def packed(contents: dict[str, bytes], folder: str = "any-folder") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def check_is_good(dataset, name: str, count: int = 2):
    form = FORMS[name]
    parts = [part(seed, count, form.classes) for seed in range(len(form.train) + 1)]
    for split, expected in ((dataset.train, parts[:-1]), (dataset.test, parts[-1:])):
        np.testing.assert_array_equal(split.images, np.concatenate([x for x, _ in expected]))
        np.testing.assert_array_equal(split.labels, np.concatenate([y for _, y in expected]))
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
    assert dataset.classes == tuple(NAMES[name])
    assert dataset.image_shape == (32, 32, 3)
    assert dataset.final is dataset.test


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("place", ["archive", "files", "folder of the files", "path of archive"])
def test_a_folder_has_the_archive_or_the_files(tmp_path, name, place):
    form, contents = FORMS[name], files_of(name)
    if "archive" in place:
        (tmp_path / form.archive).write_bytes(packed(contents))
    else:
        folder = tmp_path / form.folder if "folder" in place else tmp_path
        folder.mkdir(exist_ok=True)
        for file, content in contents.items():
            (folder / file).write_bytes(content)
    at = tmp_path / form.archive if "path" in place else tmp_path
    dataset = load(DataOptions(name, data_dir=at), say=pytest.fail)
    assert dataset.name == name
    check_is_good(dataset, name)


def source(url: str, archive: bytes, name: str) -> Source:
    file = File(
        FORMS[name].archive.removesuffix(".tar.gz"),
        "archive",
        hashlib.sha256(archive).hexdigest(),
        suffix=".tar.gz",
    )
    return Source("tiny", (url,), (file,))


@pytest.mark.parametrize("name", FORMS)
def test_an_archive_is_downloaded_once(serve, cache, name):
    archive = packed(files_of(name))
    server, said = serve(lambda handler, _: respond(handler, archive)), []
    for _ in range(2):
        dataset = load_cifar(
            source(server.url, archive, name), FORMS[name], DataOptions(name), say=said.append
        )
        check_is_good(dataset, name)
    assert server.requests == [FORMS[name].archive]
    assert said == [f"downloading {server.url}{FORMS[name].archive} to {cache}"]
    assert (cache / FORMS[name].archive).read_bytes() == archive


@pytest.mark.parametrize("behaviour", [web_page, truncated_in_secret])
def test_another_archive_is_refused(serve, cache, monkeypatch, behaviour):
    archive = packed(files_of("cifar10"))
    monkeypatch.setitem(behaviour.__globals__["ARCHIVES"], CIFAR10_FORM.archive, archive)
    url = serve(behaviour).url
    with pytest.raises(
        DataError,
        match=r"tiny could not be downloaded. .*the archive has SHA-256 .* put cifar-10-binary.tar"
        r".gz into a folder and pass it as --data-dir",
    ):
        load_cifar(source(url, archive, "cifar10"), CIFAR10_FORM, DataOptions("cifar10"), say=str)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("published", "form"), [(CIFAR10, CIFAR10_FORM), (CIFAR100, CIFAR100_FORM)]
)
def test_the_tables_are_complete(published, form):
    (file,) = published.files
    assert file.packed == form.archive
    assert len(bytes.fromhex(file.sha256)) == 32
    content = (50_000 + 10_000) * (form.label_bytes + 3072)
    assert content < file.size < 1.01 * content
    assert len(form.train) * 10_000 == 50_000 or form.classes == 100


def test_classes_size_and_channels_are_chosen(tmp_path):
    (tmp_path / CIFAR10_FORM.archive).write_bytes(packed(files_of("cifar10", 20)))
    options = DataOptions("cifar10", data_dir=tmp_path)
    whole = load(options)
    chosen = load(replace(options, classes=("thing7", "thing2"), image_size=16, channels=1))
    assert chosen.classes == ("thing7", "thing2")
    assert chosen.image_shape == (16, 16, 1)
    for split, all_of_it in ((chosen.train, whole.train), (chosen.test, whole.test)):
        kept = all_of_it.labels[np.isin(all_of_it.labels, [7, 2])]
        np.testing.assert_array_equal(split.labels, np.where(kept == 7, 0, 1))
        assert len(split.images) == len(kept)
    assert chosen.fingerprint != whole.fingerprint
    with pytest.raises(ConfigError, match="got 'cat': There are thing0, thing1"):
        load(replace(options, classes=("cat", "thing1")))


# What is wrong.


def test_files_that_are_missing_are_told(tmp_path):
    with pytest.raises(
        DataError,
        match=r"has neither cifar-10-binary.tar.gz nor the files out of it, data_batch_1.bin, .*, "
        r"test_batch.bin, batches.meta.txt$",
    ):
        load(DataOptions("cifar10", data_dir=tmp_path))
    with pytest.raises(DataError, match="elsewhere is not there: a folder with cifar-10-bin"):
        load(DataOptions("cifar10", data_dir=tmp_path / "elsewhere"))
    for file, content in files_of("cifar10").items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"test_batch.bin cannot be read: No such file"):
        load(DataOptions("cifar10", data_dir=tmp_path))


def test_the_python_version_is_told_apart(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz is of the Python version, whose"):
        load(DataOptions("cifar10", data_dir=tmp_path))


GOOD = files_of("cifar10")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_batch_3.bin": None}, "lacks data_batch_3.bin: is it another archive?"),
        ({"data_batch_3.bin": b""}, "data_batch_3.bin must have records of 3,073 bytes, and has 0"),
        (
            {"test_batch.bin": GOOD["test_batch.bin"][:-1]},
            "test_batch.bin must have records of 3,0",
        ),
        (
            {"test_batch.bin": b"\x0a" + GOOD["test_batch.bin"][1:]},
            "test_batch.bin must have labels below 10, got 10 for image 0. Is it a file of another",
        ),
        ({"batches.meta.txt": b"cat\ndog\n"}, "batches.meta.txt must have the names of 10 classes"),
        ({"batches.meta.txt": b"cat\n" * 10}, "batches.meta.txt must have the names of 10 classes"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, change, message):
    contents = {file: content for file, content in (GOOD | change).items() if content is not None}
    (tmp_path / CIFAR10_FORM.archive).write_bytes(packed(contents))
    with pytest.raises(DataError) as caught:
        load(DataOptions("cifar10", data_dir=tmp_path))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: archive[:-100],
        lambda archive: archive[: len(archive) // 2],
        lambda archive: archive[:2000] + bytes(100) + archive[2100:],
        lambda archive: gzip.compress(b"no archive" * 1000),
        lambda archive: b"<html>",
        lambda archive: b"",
    ],
)
def test_a_damaged_archive_is_told(tmp_path, damage):
    (tmp_path / CIFAR10_FORM.archive).write_bytes(damage(packed(GOOD)))
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is a damaged archive \(.+\)"):
        load(DataOptions("cifar10", data_dir=tmp_path))


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "MOST", 2**20)
    archive = tmp_path / CIFAR10_FORM.archive
    archive.write_bytes(packed({"data_batch_1.bin": bytes(50_000_000)}))
    with (
        bounded_memory(2**23),
        pytest.raises(DataError, match="unpacks to more than 1,048,576 bytes"),
    ):
        load(DataOptions("cifar10", data_dir=tmp_path))


def test_links_and_paths_in_an_archive_lead_nowhere(tmp_path):
    """A member may be called /etc/passwd or be a link to it: no file is written, and no
    link is followed."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        link = tarfile.TarInfo("a/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in GOOD.items():
            member = tarfile.TarInfo(f"../../../{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    folder = tmp_path / "inside" / "of" / "this"
    folder.mkdir(parents=True)
    (folder / CIFAR10_FORM.archive).write_bytes(file.getvalue())
    check_is_good(load(DataOptions("cifar10", data_dir=folder)), "cifar10")
    assert len([*tmp_path.rglob("*.bin")]) == 0
