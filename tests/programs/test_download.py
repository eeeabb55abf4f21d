"""Downloads from a server of our own: a mirror that fails, and one that never ends."""

from __future__ import annotations

import gzip
import io
import time
from email.message import Message
from urllib.error import HTTPError

import pytest
from downloads import get, source
from file_server import (
    bomb,
    continuing,
    dripping,
    dripping_headers,
    endless,
    endless_in_chunks,
    good,
    hanging_up,
    missing,
    promising_too_much,
    redirecting_in_circles,
    redirecting_on_and_on,
    redirecting_to_a_file,
    redirecting_to_no_address,
    redirecting_with_an_endless_body,
    respond,
    silent,
    stalling,
    talkative,
    truncated,
    truncated_in_secret,
    web_page,
    wrong_bytes,
)
from idx_files import (
    ARCHIVES,
    CLASSES,
    GOOD,
    TEST_IMAGES,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    bounded_memory,
    check_is_good,
)
from rich.console import Console

import jaxcnn.programs.data.download
from jaxcnn.programs.data.dataset import DataError


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
