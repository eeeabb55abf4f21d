"""The data sets: what a folder's files come to, what each kind of wrong file is told,
and downloads from a server of our own."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest
from rich.console import Console

import jaxcnn.programs.data.download
from jaxcnn.programs.data.dataset import DataError, digits, load, published
from jaxcnn.programs.data.download import FASHION_MNIST, MNIST, File, Source, cache_folder
from jaxcnn.programs.data.idx import FILES, read_idx, unpacked

REAL_MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES
CLASSES = tuple("abcdefghij")


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """An IDX file, written from the definition of the format."""
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()
    )


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def labels(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


GOOD = {
    TRAIN_IMAGES: idx(images(3)),
    TRAIN_LABELS: idx(labels(9, 0, 4)),
    TEST_IMAGES: idx(images(2, seed=1)),
    TEST_LABELS: idx(labels(1, 9)),
}
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in GOOD.items()}


@pytest.fixture
def folder(tmp_path):
    """A folder with four good files, not gzipped."""
    path = tmp_path / "data"
    path.mkdir()
    for name, content in GOOD.items():
        (path / name).write_bytes(content)
    return path


def check_is_good(dataset):
    for x, y, expected, classes in (
        (dataset.x_train, dataset.y_train, images(3), [9, 0, 4]),
        (dataset.x_test, dataset.y_test, images(2, seed=1), [1, 9]),
    ):
        assert (x.dtype, y.dtype) == (np.float32, np.int32)
        assert x.shape == (len(expected), 28, 28, 1)
        np.testing.assert_array_equal(x, (expected / 255).astype(np.float32)[..., None])
        np.testing.assert_array_equal(y, classes)


# By name.


def test_digits_say_what_they_are():
    dataset = load("digits")
    assert (dataset.name, dataset.classes) == ("digits", tuple("0123456789"))
    assert all(np.array_equal(*pair) for pair in zip(dataset, digits(), strict=True))


@pytest.mark.parametrize(
    ("name", "first", "last"), [("mnist", "0", "9"), ("fashion_mnist", "T-shirt/top", "Ankle boot")]
)
def test_files_of_a_folder_become_a_data_set_in_silence(folder, name, first, last, capsys):
    dataset = load(name, folder)
    check_is_good(dataset)
    assert (dataset.name, len(dataset.classes), dataset.classes[0], dataset.classes[-1]) == (
        name,
        10,
        first,
        last,
    )
    assert capsys.readouterr().out == ""


def test_digits_are_in_no_folder(folder):
    with pytest.raises(DataError, match=r"come with scikit-learn .* leave --data-dir .*/data out"):
        load("digits", folder)


def test_an_unknown_name_is_told_the_known_ones(folder):
    with pytest.raises(
        DataError, match="no data set 'cifar': it must be digits, mnist or fashion_mnist"
    ):
        load("cifar", folder)


def test_white_is_1_and_black_is_0(folder):
    (folder / TEST_IMAGES).write_bytes(
        idx(np.stack([np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)]))
    )
    x = load("mnist", folder).x_test
    assert (x[0].max(), x[1].min()) == (0, 1)


# Files.


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_each_name_is_accepted_whether_the_content_is_gzipped_or_not(
    tmp_path, packed, suffix, dotted
):
    for name, content in GOOD.items():
        name = name.replace("-idx", ".idx") if dotted else name
        (tmp_path / f"{name}{suffix}").write_bytes(gzip.compress(content) if packed else content)
    check_is_good(load("mnist", tmp_path))


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, ">u1"), (0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
def test_each_type_of_element_is_read(tmp_path, code, dtype):
    array = (
        np.arange(-3 if np.dtype(dtype).kind != "u" else 0, 21)
        .astype(dtype)[-20:]
        .reshape(2, 1, 10)
    )
    (tmp_path / "file").write_bytes(idx(array, code))
    read = read_idx(tmp_path / "file")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_a_file_is_found_beside_a_folder_of_its_name(folder):
    """Some systems unpack an archive into a folder of the file's name."""
    (folder / TRAIN_IMAGES).unlink()
    (folder / TRAIN_IMAGES).mkdir()
    with pytest.raises(DataError, match=f"lacks {TRAIN_IMAGES};"):
        load("mnist", folder)
    (folder / "train-images.idx3-ubyte").write_bytes(GOOD[TRAIN_IMAGES])
    check_is_good(load("mnist", folder))


CUT = gzip.compress(GOOD[TRAIN_IMAGES])[:-100]
BROKEN = bytearray(gzip.compress(GOOD[TRAIN_IMAGES]))
BROKEN[1000] ^= 0xFF


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(TRAIN_IMAGES, b"", "is empty: download", id="empty file"),
        pytest.param(TRAIN_IMAGES, gzip.compress(b""), "is empty: download", id="empty archive"),
        pytest.param(
            TRAIN_IMAGES,
            b"\n<!DOCTYPE html><html>",
            r"no IDX file: it begins with b'.n<!DOCTYPE .* looks like a web page",
            id="web page",
        ),
        pytest.param(
            TRAIN_IMAGES,
            b"\x89PNG\r\n\x1a\n",
            r"is no IDX file: it begins with b'.x89PNG.* code of a type$",
            id="picture",
        ),
        pytest.param(TRAIN_IMAGES, b"\0\0\x07\x01\0\0\0\0", "is no IDX file", id="unknown type"),
        pytest.param(TRAIN_IMAGES, b"\0\0\x08", "is no IDX file", id="three bytes"),
        pytest.param(
            TRAIN_IMAGES,
            gzip.compress(ARCHIVES[f"{TRAIN_IMAGES}.gz"]),
            "is no IDX file",
            id="gzipped twice",
        ),
        pytest.param(
            TRAIN_IMAGES,
            GOOD[TRAIN_IMAGES][:13],
            "cut off in its header, which has 16 bytes, at 13",
            id="half a header",
        ),
        pytest.param(
            TRAIN_IMAGES,
            GOOD[TRAIN_IMAGES][:-7],
            r"was cut off: its header promises uint8 of shape \(3, 28, 28\), 2,368 bytes .*, and it"
            r" has 2,361 ",
            id="cut off",
        ),
        pytest.param(
            TRAIN_LABELS,
            GOOD[TRAIN_LABELS] + b"\0\0",
            "has something behind its end: .* 11 bytes .*, and it has 13 ",
            id="too long",
        ),
        pytest.param(
            TRAIN_IMAGES,
            CUT,
            r"is a damaged gzip file \(.*ended before.*\): download",
            id="archive cut off",
        ),
        pytest.param(
            TRAIN_IMAGES,
            bytes(BROKEN),
            r"is a damaged gzip file \(.+\): download",
            id="archive broken",
        ),
        pytest.param(
            TRAIN_IMAGES,
            CUT[:10] + b"\xff" * 20,
            r"is a damaged gzip file \(.*invalid block type\): download",
            id="no deflate stream",
        ),
        pytest.param(
            TRAIN_IMAGES, b"\x1f\x8b", r"is a damaged gzip file", id="archive of two bytes"
        ),
        pytest.param(
            TRAIN_IMAGES,
            GOOD[TRAIN_LABELS],
            r"must hold images, uint8 of shape \(n, 28, 28\), and holds uint8 of shape \(3,\)\."
            r" These look like labels",
            id="labels as images",
        ),
        pytest.param(
            TEST_LABELS,
            GOOD[TEST_IMAGES],
            r"must hold labels, uint8 of shape \(n,\), and holds uint8 of shape \(2, 28, 28\)\."
            r" These look like images",
            id="images as labels",
        ),
        pytest.param(
            TEST_IMAGES,
            idx(images(2)[:, :, :20]),
            r"must hold images, .* of shape \(2, 28, 20\)$",
            id="narrow images",
        ),
        pytest.param(
            TEST_IMAGES,
            idx(images(2)[..., None]),
            r"must hold images, .* of shape \(2, 28, 28, 1\)$",
            id="four dimensions",
        ),
        pytest.param(
            TEST_IMAGES,
            idx(images(2).astype(">i2"), 0x0B),
            r"must hold images, .* holds int16 of shape \(2, 28, 28\)$",
            id="int16",
        ),
        pytest.param(
            TEST_LABELS,
            idx(np.array([1, 2], ">i4"), 0x0C),
            "must hold labels, uint8 .* holds int32",
            id="int32 labels",
        ),
        pytest.param(
            TEST_LABELS,
            idx(labels(1, 2, 3)),
            f"has 2 images and .*{TEST_LABELS} has 3 labels",
            id="counts differ",
        ),
        pytest.param(
            TRAIN_LABELS,
            idx(labels(9, 23, 10)),
            "labels from 0 to 9, got 23 for image 1",
            id="label 23",
        ),
        pytest.param(
            TRAIN_LABELS,
            idx(labels(0, 0, 10)),
            "labels from 0 to 9, got 10 for image 2",
            id="label 10",
        ),
    ],
)
def test_a_wrong_file_is_told_what_came_and_what_was_needed(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load("mnist", folder)
    assert str(folder / name) in str(caught.value)
    assert "\n" not in str(caught.value)


# Headers that promise anything, and archives that unpack to anything.


def header(*shape: int, code: int = 0x08) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


HUGE = 2**32 - 1


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            header(*[1] * 65) + b"\0",
            "must have at most 64 dimensions, and its header promises 65",
            id="65 axes",
        ),
        pytest.param(
            header(*[1] * 255) + b"\0",
            "must have at most 64 dimensions, and its header promises 255",
            id="255 axes",
        ),
        pytest.param(
            header(*[HUGE] * 64),
            r"has too much in it: .* of shape \(4294967295, .*, \.\.\.\) with 64 axes, more than"
            r" 10\^24 bytes",
            id="64 large axes",
        ),
        pytest.param(
            header(HUGE, 28, 28),
            r"has too much in it: .* \(4294967295, 28, 28\), 3,367,254,359,296 bytes .*, and"
            r" 536,870,912 are read at most",
            id="absurd",
        ),
        pytest.param(
            header(2**28, code=0x0E),
            "has too much in it: its header promises float64 of shape",
            id="float64",
        ),
        pytest.param(
            header(0, HUGE, HUGE, HUGE),
            r"has too much in it: its header promises uint8 of shape \(0, ",
            id="empty but large",
        ),
        pytest.param(
            header(2**29 - 8),
            r"was cut off: its header promises uint8 of shape \(536870904,\), .*, and it has 8"
            r" bytes",
            id="half a gigabyte",
        ),
        pytest.param(
            header(1, 1, 1)[:9],
            "is cut off in its header, which has 16 bytes, at 9",
            id="in a short header",
        ),
        pytest.param(
            header(*[1] * 64)[:200],
            "is cut off in its header, which has 260 bytes, at 200",
            id="in a long header",
        ),
    ],
)
def test_a_header_may_promise_anything(tmp_path, content, packed, message):
    (tmp_path / "file").write_bytes(gzip.compress(content) if packed else content)
    with (
        bounded_memory(2**22),
        pytest.raises(DataError, match=f"^{tmp_path}/file {message}") as caught,
    ):
        read_idx(tmp_path / "file")
    assert len(str(caught.value)) < 400


@contextmanager
def bounded_memory(most: int):
    """Python's own allocations, of NumPy and of files read."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 64, (2, 3)])
def test_unusual_shapes_are_read(tmp_path, shape):
    array = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)
    (tmp_path / "file").write_bytes(gzip.compress(idx(array)))
    read = read_idx(tmp_path / "file")
    assert read.shape == shape
    assert not read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_a_gzip_file_is_unpacked_only_as_far_as_its_header_goes(folder):
    """30 kB that unpack to 30 MB."""
    (folder / TRAIN_IMAGES).write_bytes(gzip.compress(GOOD[TRAIN_IMAGES] + bytes(30_000_000)))
    message = (
        r"has something behind its end: its header promises uint8 of shape \(3, 28, 28\), 2,368"
        r" bytes .*, and it has more \("
    )
    with bounded_memory(2**24), pytest.raises(DataError, match=message):
        load("mnist", folder)


def test_a_long_file_is_read_only_as_far_as_its_header_goes(folder):
    with (folder / TRAIN_LABELS).open("r+b") as file:
        file.truncate(2**40)  # a hole: no disk is filled
    with (
        bounded_memory(2**24),
        pytest.raises(
            DataError, match=r"has something behind its end: .*, and it has 1,099,511,627,776 bytes"
        ),
    ):
        load("mnist", folder)


def test_several_members_of_a_gzip_file_are_one_file(tmp_path):
    content = GOOD[TRAIN_IMAGES]
    parts = [gzip.compress(part) for part in (content[:5], b"", content[5:1000], content[1000:])]
    (tmp_path / "file").write_bytes(b"".join(parts))
    np.testing.assert_array_equal(read_idx(tmp_path / "file"), images(3))
    assert unpacked(b"".join(parts)) == content
    (tmp_path / "file").write_bytes(b"".join([*parts, parts[0]]))
    with pytest.raises(DataError, match=r"has something behind its end: .* and it has more"):
        read_idx(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"".join([*parts, b"garbage"]))
    with pytest.raises(DataError, match=r"is a damaged gzip file \(Not a gzipped file"):
        read_idx(tmp_path / "file")


def test_bytes_are_unpacked_up_to_a_limit():
    packed = gzip.compress(bytes(1000))
    assert unpacked(packed, 1000) == unpacked(bytes(1000), 1000) == bytes(1000)
    for content in (packed, bytes(1000)):
        with pytest.raises(DataError, match="more than the 999 bytes that it may have"):
            unpacked(content, 999)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match=f"^{tmp_path} cannot be read: Is a directory$"):
        read_idx(tmp_path)


def test_a_set_without_images_is_refused(folder):
    (folder / TEST_IMAGES).write_bytes(idx(images(0)))
    (folder / TEST_LABELS).write_bytes(idx(labels()))
    with pytest.raises(DataError, match=f"{TEST_IMAGES} has no images"):
        load("mnist", folder)


def test_a_missing_file_is_named_with_those_that_are_there(folder):
    (folder / TEST_LABELS).unlink()
    (folder / TRAIN_LABELS).rename(folder / "train-labels.idx1-ubyte")
    (folder / TRAIN_IMAGES).unlink()
    with pytest.raises(DataError) as caught:
        load("mnist", folder)
    assert (
        str(caught.value)
        == f"{folder} lacks {TRAIN_IMAGES} and {TEST_LABELS}; of the four files it has"
        f" train-labels.idx1-ubyte and {TEST_IMAGES}. Accepted names are as in"
        f" {TRAIN_IMAGES}.gz, {TRAIN_IMAGES}, train-images.idx3-ubyte.gz and"
        " train-images.idx3-ubyte"
    )


def test_a_folder_must_be_there_and_have_something(tmp_path):
    with pytest.raises(DataError, match="of the four files it has none"):
        load("mnist", tmp_path)
    with pytest.raises(
        DataError, match=r"elsewhere is not there: a folder with train-images.* is needed"
    ):
        load("mnist", tmp_path / "elsewhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="file is a file: a folder with"):
        load("mnist", tmp_path / "file")


# Downloads. A server's behaviour is a function from the name of a file to what it does.


class Server:
    """Serves on the loopback interface until it is closed, and remembers what it was
    asked for."""

    def __init__(self, behaviour: Callable[[BaseHTTPRequestHandler, str], None]):
        self.requests: list[str] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            closing = threading.Event()

            def do_GET(self):
                requests.append(self.path.removeprefix("/set/"))
                behaviour(self, requests[-1])

            def log_message(self, *_):
                pass

        self._closing = Handler.closing
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing waits for them
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/set/"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def respond(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def good(handler, name):
    respond(handler, ARCHIVES[name])


def truncated(handler, name):
    respond(handler, ARCHIVES[name][:-5], length=len(ARCHIVES[name]))


def truncated_in_secret(handler, name):
    respond(handler, ARCHIVES[name][:-5])


def wrong_bytes(handler, name):
    respond(handler, gzip.compress(GOOD[name.removesuffix(".gz")] + b"!"))


def web_page(handler, name):
    respond(handler, b"<html>Please log in</html>")


def missing(handler, name):
    handler.send_error(404)


def hanging_up(handler, name):
    handler.close_connection = True


def silent(handler, name):
    """No answer at all, until the server is closed."""
    handler.closing.wait()


def stalling(handler, name):
    """Half an answer, and then nothing until the server is closed."""
    respond(handler, ARCHIVES[name][:10], length=len(ARCHIVES[name]))
    handler.closing.wait()


def endless(handler, name):
    """Until the other side hangs up."""
    handler.send_response(200)
    handler.end_headers()
    flood(handler)


def flood(handler, chunk: bytes = bytes(1 << 16)):
    with suppress(OSError):
        while not handler.closing.is_set():
            handler.wfile.write(chunk)


def endless_in_chunks(handler, name):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    flood(handler, b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def promising_too_much(handler, name):
    respond(handler, ARCHIVES[name], length=10**15)


def continuing(handler, name):
    flood(handler, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def drip(handler, content: bytes):
    with suppress(OSError):
        for byte in content:
            handler.wfile.write(bytes([byte]))
            if handler.closing.wait(0.05):
                return


def dripping(handler, name):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    drip(handler, bytes(5000))


def dripping_headers(handler, name):
    drip(handler, b"HTTP/1.0 200 OK\r\n" + b"X-Longer: and longer\r\n" * 1000)


def redirect(handler, location: str):
    handler.send_response(302)
    handler.send_header("Location", location)
    handler.end_headers()


def redirecting_in_circles(handler, name):
    redirect(handler, f"/set/{name}")


def redirecting_on_and_on(handler, name):
    redirect(handler, f"/set/{name}/more")


def redirecting_with_an_endless_body(handler, name):
    redirect(handler, f"/set/{name}")
    flood(handler)


def redirecting_to_a_file(handler, name):
    redirect(handler, "ftp://127.0.0.1/etc/passwd")


def redirecting_to_no_address(handler, name):
    redirect(handler, "http://[half")


def talkative(handler, name):
    handler.send_response(404, "x" * 5000)
    handler.end_headers()


BOMB = gzip.compress(bytes(30_000_000))  # larger than what unpacks to 2,368 bytes can be


def bomb(handler, name):
    respond(handler, BOMB)


@pytest.fixture
def serve(monkeypatch):
    """Starts servers, and closes them after the test."""
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(behaviour):
        servers.append(Server(behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder where the data set `source` is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "jaxcnn" / "tiny"


def source(*mirrors: str, of: str = "content") -> Source:
    hashed = GOOD if of == "content" else {name: ARCHIVES[f"{name}.gz"] for name in FILES}
    return Source(
        "tiny",
        mirrors,
        tuple(File(name, of, hashlib.sha256(hashed[name]).hexdigest()) for name in FILES),
    )


def get(source: Source, said: list[str] | None = None, timeout: float = 30.0):
    return published(
        source, CLASSES, say=[].append if said is None else said.append, timeout=timeout
    )


@pytest.mark.parametrize("of", ["content", "archive"])
def test_a_set_is_downloaded_once(serve, cache, of):
    server, said = serve(good), []
    dataset = get(source(server.url, of=of), said)
    check_is_good(dataset)
    assert (dataset.name, dataset.classes) == ("tiny", CLASSES)
    assert said == [f"downloading {server.url}{name} to {cache}" for name in ARCHIVES]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == ARCHIVES
    check_is_good(get(source(server.url, of=of), said))
    assert server.requests == list(ARCHIVES)
    assert len(said) == 4


def test_a_content_may_come_in_another_archive(serve, cache):
    """As the published hash of an archive says, it is this archive or none; that of a
    content lets any archive have it."""
    server = serve(
        lambda handler, name: respond(
            handler, gzip.compress(GOOD[name.removesuffix(".gz")], 1, mtime=1)
        )
    )
    with pytest.raises(DataError, match="the archive has SHA-256"):
        get(source(server.url, of="archive"))
    check_is_good(get(source(server.url)))


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(
            truncated, r"IncompleteRead\(\d+ bytes read, 5 more expected\)", id="truncated"
        ),
        pytest.param(
            truncated_in_secret,
            r"a damaged gzip file \(.*ended before.*\)",
            id="truncated, wrong length",
        ),
        pytest.param(
            wrong_bytes,
            r"bytes that begin with b'.x1f.x8b.*the content has SHA-256 \w{64}, expected \w{64}",
            id="wrong bytes",
        ),
        pytest.param(web_page, "26 bytes that begin with b'<html>Plea'", id="web page"),
        pytest.param(missing, "HTTP 404 Not Found", id="404"),
        pytest.param(hanging_up, "closed connection without response", id="hangs up"),
        pytest.param(silent, "no answer for 0.2 s", id="silent"),
        pytest.param(stalling, "no answer for 0.2 s", id="stalls"),
        pytest.param(None, "Connection refused", id="gone"),
    ],
)
def test_a_mirror_that_fails_is_named_with_the_reason_and_the_next_one_serves(
    serve, cache, behaviour, reason
):
    hangs = behaviour in (silent, stalling)
    bad = serve(behaviour or good)
    if behaviour is None:
        bad.close()
    with pytest.raises(
        DataError, match=f"tiny could not be downloaded. {bad.url}{TRAIN_IMAGES}.gz: .*{reason}"
    ) as caught:
        start = time.monotonic()
        get(source(bad.url), timeout=0.2 if hangs else 30)
    assert time.monotonic() - start < 20
    assert all(name in str(caught.value) for name in ("--data-dir", *ARCHIVES))
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []

    backup, said = serve(good), []
    # The backup is in time even on a busy machine.
    check_is_good(get(source(bad.url, backup.url), said, timeout=1 if hangs else 30))
    assert said[0] == f"downloading {bad.url}{TRAIN_IMAGES}.gz to {cache}"
    assert said[1].startswith("failed: ")
    assert said[2] == f"trying the next mirror: {backup.url}{TRAIN_IMAGES}.gz"
    # The mirror that worked is asked for the other files too.
    assert said[3:] == [f"downloading {backup.url}{name} to {cache}" for name in list(ARCHIVES)[1:]]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == ARCHIVES


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (endless, r"the server sends more than the \d,\d\d\d bytes that the file can have"),
        (
            endless_in_chunks,
            r"the server sends more than the \d,\d\d\d bytes that the file can have",
        ),
        (
            promising_too_much,
            (
                "the server announces 1,000,000,000,000,000 bytes, more than the .* that the file"
                " can have"
            ),
        ),
        (continuing, "the server sends more than .* bytes, headers and redirections included"),
        (dripping, r"only \d+ bytes in 0\.\d+ s"),
        (dripping_headers, r"only \d+ bytes in 0\.\d+ s"),
        (redirecting_in_circles, "HTTP 302 .*redirect error that would lead to an infinite loop.*"),
        (redirecting_on_and_on, "HTTP 302 .*redirect error that would lead to an infinite loop.*"),
        (
            redirecting_with_an_endless_body,
            "the server sends more than .* bytes, headers and redirections included",
        ),
        (redirecting_to_a_file, "HTTP 302 Found: it redirects to ftp://127.0.0.1/etc/passwd"),
        (redirecting_to_no_address, "Invalid IPv6 URL"),
        (talkative, r"HTTP 404 x{291}\.\.\."),
        (bomb, "the server announces .* bytes, more than the .* that the file can have"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_no_server_is_followed_for_ever(serve, cache, behaviour, reason):
    """Beyond what was published, or so slowly that there would be no end."""
    slow = behaviour in (dripping, dripping_headers)
    published = source(serve(behaviour).url)
    published = published._replace(
        files=tuple(file._replace(size=len(GOOD[file.name])) for file in published.files)
    )
    said: list[str] = []
    start = time.monotonic()
    with (
        bounded_memory(2**23),
        pytest.raises(DataError, match=f"{TRAIN_IMAGES}.gz: {reason}") as caught,
    ):
        get(published, said, timeout=0.25 if slow else 30)
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)
    assert len(said[1]) < 400
    assert list(cache.iterdir()) == []


def test_a_content_that_unpacks_to_too_much_is_refused(serve, cache):
    """Though the archive itself is small enough."""
    published = source(
        serve(lambda handler, name: respond(handler, gzip.compress(bytes(1_000_000)))).url
    )
    published = published._replace(
        files=tuple(file._replace(size=2368) for file in published.files)
    )
    with (
        bounded_memory(2**22),
        pytest.raises(DataError, match="a gzip file that unpacks to more than the 2,368 bytes"),
    ):
        get(published)


def test_a_server_that_is_slow_but_comes_to_an_end_is_waited_for(serve, cache):
    def slow(handler, name):
        handler.closing.wait(0.3)
        good(handler, name)

    check_is_good(get(source(serve(slow).url), timeout=5))


def test_a_cached_file_that_is_far_too_long_is_not_read(serve, cache):
    url = serve(good).url
    get(source(url))
    with (cache / f"{TEST_LABELS}.gz").open("r+b") as file:
        file.truncate(2**40)
    said: list[str] = []
    with bounded_memory(2**24):
        check_is_good(get(source(url), said))
    assert f"{TEST_LABELS}.gz is damaged, 1,099,511,627,776 bytes: more than the " in said[0]


def test_an_error_page_does_not_keep_its_connection():
    connection = io.BytesIO(b"Not Found")
    error = HTTPError("http://localhost", 404, "Not Found", Message(), connection)
    assert jaxcnn.programs.data.download._reason(error, 30) == "HTTP 404 Not Found"
    assert connection.closed


def test_when_all_mirrors_fail_each_is_told_and_what_was_had_is_kept(serve, cache):
    first = serve(missing)
    second = serve(
        lambda handler, name: (truncated if "t10k-images" in name else good)(handler, name)
    )
    with pytest.raises(DataError) as caught:
        get(source(first.url, second.url))
    assert f"{first.url}{TEST_IMAGES}.gz: HTTP 404 Not Found" in str(caught.value)
    assert f"{second.url}{TEST_IMAGES}.gz: IncompleteRead" in str(caught.value)
    assert sorted(path.name for path in cache.iterdir()) == [
        f"{TRAIN_IMAGES}.gz",
        f"{TRAIN_LABELS}.gz",
    ]


@pytest.mark.parametrize(
    "damage", [b"", b"<html>", ARCHIVES[f"{TRAIN_LABELS}.gz"][:-1], ARCHIVES[f"{TEST_LABELS}.gz"]]
)
def test_a_damaged_file_is_downloaded_again(serve, cache, damage):
    server, said = serve(good), []
    get(source(server.url))
    path = cache / f"{TRAIN_LABELS}.gz"
    path.write_bytes(damage)
    server.requests.clear()
    check_is_good(get(source(server.url), said))
    assert server.requests == [path.name]
    assert said[0].startswith(f"{path} is damaged, ")
    assert said[0].endswith(": downloading it again")
    assert path.read_bytes() == ARCHIVES[path.name]


def test_only_verified_files_of_the_cache_are_read(serve, cache):
    """A file under another accepted name, which nobody has verified, does not hide the
    download."""
    cache.mkdir(parents=True)
    (cache / TRAIN_LABELS).write_bytes(idx(labels(1, 1, 1)))
    check_is_good(get(source(serve(good).url)))


def test_an_unusable_cache_is_told_with_the_way_out(serve, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file")
    with pytest.raises(
        DataError,
        match=(
            r"tiny cannot be kept in .*/jaxcnn/tiny: File exists\. Set XDG_CACHE_HOME .* --data-dir"
        ),
    ):
        get(source(serve(good).url))


def test_a_disk_that_fails_leaves_nothing(serve, cache, monkeypatch):
    def half(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(DataError, match=r"cannot be kept in .*: No space left on device"):
        get(source(serve(good).url))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("base", ["", "relative"])
def test_the_cache_is_in_the_home_folder_unless_the_environment_says_otherwise(
    monkeypatch, tmp_path, base
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert cache_folder(MNIST) == tmp_path / ".cache" / "jaxcnn" / "mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder(FASHION_MNIST) == tmp_path / "other" / "jaxcnn" / "fashion_mnist"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_a_bar_and_a_pipe_does_not(serve, terminal):
    screen = io.StringIO()
    url = f"{serve(good).url}{TRAIN_IMAGES}.gz"
    content = jaxcnn.programs.data.download._get(
        url, 5, Console(file=screen, force_terminal=terminal, width=100)
    )
    assert content == ARCHIVES[f"{TRAIN_IMAGES}.gz"]
    assert (f"{TRAIN_IMAGES}.gz" in screen.getvalue()) == terminal
    assert ("━━━" in screen.getvalue()) == terminal
    assert terminal or screen.getvalue() == ""


# The published sets.


@pytest.mark.parametrize("source", [MNIST, FASHION_MNIST], ids=lambda source: source.name)
def test_the_tables_are_complete(source):
    assert tuple(file.name for file in source.files) == FILES
    assert len({file.sha256 for file in source.files}) == 4
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in source.files)
    assert len(source.mirrors) == 2
    assert [file.size for file in source.files] == [
        16 + 60_000 * 28**2,
        8 + 60_000,
        16 + 10_000 * 28**2,
        8 + 10_000,
    ]
    assert all(mirror.endswith("/") for mirror in source.mirrors)


@pytest.fixture
def real_mnist():
    if not REAL_MNIST.is_dir():
        pytest.skip(f"MNIST itself is not in {os.path.relpath(REAL_MNIST)}")
    return REAL_MNIST


def test_mnist_is_the_official_one(real_mnist):
    for file in MNIST.files:
        content = unpacked((real_mnist / f"{file.name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(content) == file.size
    dataset = load("mnist", real_mnist)
    assert (dataset.x_train.shape, dataset.x_test.shape) == (
        (60_000, 28, 28, 1),
        (10_000, 28, 28, 1),
    )
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 1)
    assert np.bincount(dataset.y_train).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert np.bincount(dataset.y_test).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_mnist_comes_through_a_download(real_mnist, serve, cache):
    server = serve(lambda handler, name: respond(handler, (real_mnist / name).read_bytes()))
    dataset = published(MNIST._replace(mirrors=(server.url,)), CLASSES, say=[].append)
    assert dataset.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert dataset.x_train[0].mean() == pytest.approx(0.13768, abs=1e-5)
