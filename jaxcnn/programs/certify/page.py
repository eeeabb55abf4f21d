"""`render`: one HTML page from the report on gradients, for a person who asks whether
they are right and what they cost.

The page needs nothing beside it: no network, no fonts, no scripts from elsewhere. It is
read from a disk or out of an e-mail, in light or dark, on a phone, and with JavaScript
switched off. What is missing then is the search, and the programs of each case: their
jaxprs and compiled instructions are megabytes of text, each much like the next, and are
packed into one compressed block.

The template is `page.html`; this file counts, sorts, and puts numbers into words.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jaxcnn.programs.certify.charts import charts
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import NONE, count, flops, number, ratio, seconds, share, size, ulps

Row = Mapping[str, Any]  # one of report["rows"]
Check = Mapping[str, Any]  # one of row["checks"]

HOLDS = {
    "structure": (
        "The value has the shapes and dtypes of the reference; each gradient has those of its"
        " argument."
    ),
    "integers": (
        "On whole numbers, where sums are exact and ties occur, value and gradients equal the"
        " reference bit for bit."
    ),
    "accuracy": (
        "Value and gradients are as near to the float64 reference as their dtype allows and as"
        " autodiff's are."
    ),
    "linearity": (
        "⟨dy, f(x)⟩ = ⟨g, x⟩ for an argument in which the function is linear; needs no reference."
    ),
    "conservation": (
        "Where moving all of x by a constant moves the value as much or not at all, g sums to what"
        " dy does or to 0."
    ),
    "adjoint": (
        "⟨dy, Jv⟩ = ⟨g, v⟩, with Jv from forward mode: the gradient is the transpose of the"
        " derivative."
    ),
    "differences": (
        "The gradients are the slopes of the function itself, by central differences in float64."
    ),
    "reference": (
        "The reference's own gradients are the slopes of the reference: what judges is right"
        " itself."
    ),
    "second order": "The gradient can be differentiated again, and that is right too.",
    "zeros": (
        "A zero cotangent gives zero gradients; where arguments are 0, all is finite that the"
        " reference has finite."
    ),
    "repeats": "Runs repeat to the bit.",
    "jit": "Step by step, outside jit, it gives the same.",
    "vmap": "Under vmap it gives the same.",
    "scan": "In the body of a scan it gives the same.",
    "unbiased": (
        "The mean over many random keys is the exact gradient; the error is in standard errors."
    ),
    "bias": (
        "How far the gradient is from the exact one on purpose, and that it points the same way."
    ),
}
"""What each check says, by name. A name that is not here is shown without a sentence.
"""

KINDS = {
    "table": "hand-picked small cases",
    "random": "cases drawn at random",
    "sized": "shapes from real networks, also timed",
    "own": "your own function",
}

COSTS: Mapping[str, tuple[str, str]] = {
    "convolutions": ("convolutions", "count"),
    "dots": ("matrix products", "count"),
    "fusions": ("fusions", "count"),
    "custom_calls": ("library calls", "count"),
    "loops": ("loops", "count"),
    "scatters": ("scatters", "count"),
    "flops": ("flops", "flops"),
    "residual_bytes": ("residuals", "size"),
    "argument_bytes_kept": ("arguments kept", "size"),
    "temp_bytes": ("temporary memory", "size"),
    "output_bytes": ("output", "size"),
}
"""The costs shown, in order: words and how the number is written."""


def of_words(of: str) -> str:
    return f"gradient to {of}" if _is_gradient(of) else of


# What the page tells.


class Errors(NamedTuple):
    """Errors of one implementation, of some gradients."""

    median: float | None
    worst: float | None
    median_ulps: float | None
    worst_ulps: float | None


class Accuracy(NamedTuple):
    """The gradients of the "accuracy" checks of some rows; the last three count how the
    explicit error compares to autodiff's."""

    dtype: str
    operation: str
    gradients: int
    explicit: Errors
    autodiff: Errors
    smaller: int
    equal: int
    larger: int

    @property
    def compared(self) -> int:
        return self.smaller + self.equal + self.larger

    @property
    def at_least(self) -> int:
        return self.smaller + self.equal


class Summary(NamedTuple):
    passed: bool
    operations: list[str]
    kinds: dict[str, int]
    checks: int
    failed_checks: int
    failed_rows: int
    unjudged_rows: int
    wrong_gradients: int
    wrong_rows: int
    timed: int
    faster: int
    time_ratio: float | None
    time_ratio_low: float
    time_ratio_high: float


class Wrong(NamedTuple):
    """A gradient that autodiff got wrong."""

    row: int
    name: str
    of: str
    detail: str
    autodiff_error: float | None
    explicit_error: float | None
    passed: bool


class Line(NamedTuple):
    """A check in words, or several that passed alike."""

    name: str
    passed: bool
    cells: list[str]
    """Of what, error, allowed error, ulps, error and ulps of autodiff; the last three
    not where there are none."""
    detail: str
    diagnosis: str


class Seen(NamedTuple):
    """All verdicts of one check."""

    name: str
    holds: str
    data: str
    checks: int
    rows: int
    failed: int


def render(report: Mapping[str, Any]) -> str:
    """The page. `report` is what lies beside it as JSON; `experiments/README.md` has
    its program.

    Raises:
      KeyError: if the report lacks something.
    """
    rows = list(enumerate(report["rows"]))
    texts = sorted(
        {text for _, row in rows if row["costs"] is not None for text in _texts(row)}
    )  # alike ones pack best together
    places = {text: i for i, text in enumerate(texts)}
    failing = [(i, row) for i, row in rows if not row["passed"]]
    groups = [("failed", failing)] if failing else []
    for operation in dict.fromkeys(row["operation"] for _, row in rows):
        members = [(i, row) for i, row in rows if row["passed"] and row["operation"] == operation]
        if members:
            groups.append((operation, members))
    sized = [
        (i, row)
        for i, row in rows
        if row["time"] is not None or (row["kind"] == "sized" and row["costs"] is not None)
    ]
    by_dtype = _by_dtype([row for _, row in rows])
    template = _environment().get_template("page.html")
    return template.render(
        report=report,
        summary=_summary(report),
        failing=failing,
        groups=groups,
        wrong=list(_wrong(rows)),
        accuracy=_accuracy("", "", [row for _, row in rows]),
        by_dtype=by_dtype,
        sized=sized,
        charts=charts([row for _, row in sized]),
        seen=_seen([row for _, row in rows]),
        at_kinks=sum(
            any(check["name"] == "integers" for check in row["checks"]) for _, row in rows
        ),
        kinds=KINDS,
        places=lambda row: " ".join(str(places[text]) for text in _texts(row)),
        packed=_packed(texts),
        figure=(
            Markup(_svg(report["model"]["figure"]))
            if report["model"] and report["model"]["figure"]
            else ""
        ),
        incomplete=report.get("incomplete"),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for f in (number, ulps, ratio, size, seconds, share, count, of_words, plural):
        environment.filters[f.__name__] = f
    environment.filters["lines"] = _lines
    environment.filters["costs"] = _costs
    environment.filters["worst"] = _worst_errors
    return environment


def _is_gradient(of: str) -> bool:
    return re.fullmatch(r"value( \d+)?", of) is None


def _badness(value: float) -> tuple[bool, float]:
    """To sort by: NaN is worse than infinity."""
    return (True, 0.0) if math.isnan(value) else (False, value)


def _median(values: Iterable[float]) -> float | None:
    ordered = sorted(values, key=_badness)
    if not ordered:
        return None
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else (low + high) / 2


def _worst(values: Iterable[float]) -> float | None:
    return max(values, key=_badness, default=None)


def _summary(report: Mapping[str, Any]) -> Summary:
    rows = report["rows"]
    checks = [check for row in rows for check in row["checks"]]
    ratios = [row["time"]["ratio"]["median"] for row in rows if row["time"] is not None]
    ratios = [r for r in ratios if 0 < r < math.inf]
    kinds = [row["kind"] for row in rows]
    return Summary(
        passed=all(row["passed"] for row in rows)
        and (report["model"] is None or report["model"]["passed"]),
        operations=list(dict.fromkeys(row["operation"] for row in rows)),
        kinds={
            kind: kinds.count(kind) for kind in dict.fromkeys([*KINDS, *kinds]) if kind in kinds
        },
        checks=len(checks),
        failed_checks=sum(not check["passed"] for check in checks),
        failed_rows=sum(not row["passed"] for row in rows),
        unjudged_rows=sum(row["error"] is not None for row in rows),
        wrong_gradients=sum(len(row["autodiff_wrong"]) for row in rows),
        wrong_rows=sum(bool(row["autodiff_wrong"]) for row in rows),
        timed=len(ratios),
        faster=sum(r > 1 for r in ratios),
        time_ratio=math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None,
        time_ratio_low=min(ratios, default=math.nan),
        time_ratio_high=max(ratios, default=math.nan),
    )


def _accuracy(dtype: str, operation: str, rows: Iterable[Row]) -> Accuracy:
    checks = [
        c
        for row in rows
        for c in row["checks"]
        if c["name"] == "accuracy" and _is_gradient(c["of"])
    ]
    pairs = [(c["error"], c["autodiff_error"]) for c in checks if c["autodiff_error"] is not None]
    order = [
        (_badness(mine) > _badness(other)) - (_badness(mine) < _badness(other))
        for mine, other in pairs
    ]

    def errors(error: str, in_ulps: str) -> Errors:
        whole, units = ([c[key] for c in checks if c[key] is not None] for key in (error, in_ulps))
        return Errors(_median(whole), _worst(whole), _median(units), _worst(units))

    return Accuracy(
        dtype,
        operation,
        len(checks),
        errors("error", "ulps"),
        errors("autodiff_error", "autodiff_ulps"),
        order.count(-1),
        order.count(0),
        order.count(1),
    )


def _by_dtype(rows: Sequence[Row]) -> list[tuple[Accuracy, list[Accuracy]]]:
    """For each dtype all of its gradients together, and then by operation."""
    found = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        of_dtype = [row for row in rows if row["dtype"] == dtype]
        operations = dict.fromkeys(row["operation"] for row in of_dtype)
        parts = [
            _accuracy(dtype, name, [row for row in of_dtype if row["operation"] == name])
            for name in operations
        ]
        found.append((_accuracy(dtype, "", of_dtype), [part for part in parts if part.gradients]))
    return [(whole, parts) for whole, parts in found if parts]


def _wrong(rows: Iterable[tuple[int, Row]]) -> Iterable[Wrong]:
    for i, row in rows:
        for wrong in row["autodiff_wrong"]:
            checks = [check for check in row["checks"] if check["of"] == wrong["of"]]
            judged = [check for check in checks if check["autodiff_error"] is not None]
            worst = max(judged, key=lambda check: _badness(check["autodiff_error"]), default=None)
            yield Wrong(
                i,
                " ".join((row["operation"], row["case"], row["dtype"])),
                wrong["of"],
                wrong["detail"],
                worst["autodiff_error"] if worst else None,
                worst["error"] if worst else None,
                all(check["passed"] for check in checks),
            )


def _seen(rows: Iterable[Row]) -> list[Seen]:
    checks: dict[str, list[tuple[int, Check]]] = {}
    for i, row in enumerate(rows):
        for check in row["checks"]:
            checks.setdefault(check["name"], []).append((i, check))
    order = [*HOLDS, *checks]
    return [
        Seen(
            name,
            HOLDS.get(name, ""),
            ", ".join(dict.fromkeys(check["data"] for _, check in found if check["data"])) or NONE,
            len(found),
            len({i for i, _ in found}),
            sum(not check["passed"] for _, check in found),
        )
        for name, found in sorted(checks.items(), key=lambda item: order.index(item[0]))
    ]


# The details of a row.


def _lines(checks: Iterable[Check]) -> list[Line]:
    """One line for each check; for those of one name that passed without more to say,
    one together."""

    def alike(check: Check) -> object:
        alone = (
            not check["passed"]
            or check["name"] == "accuracy"
            or check["detail"]
            or check["diagnosis"]
        )
        return id(check) if alone else (check["name"], check["data"], check["tolerance"])

    lines = []
    for _, group in groupby(checks, alike):
        found = list(group)

        def column(
            key: str, words: Callable[[float | None], str], found: list[Check] = found
        ) -> str:
            several = [words(check[key]) for check in found]
            return several[0] if len(set(several)) == 1 else ", ".join(several)

        first = found[0]
        allowed = "any" if first["tolerance"] == math.inf else number(first["tolerance"])
        cells = [", ".join(check["of"] for check in found), column("error", number), allowed]
        if any(
            check[key] is not None
            for check in found
            for key in ("ulps", "autodiff_error", "autodiff_ulps")
        ):
            cells += [
                column("ulps", ulps),
                column("autodiff_error", number),
                column("autodiff_ulps", ulps),
            ]
        lines.append(
            Line(first["name"], first["passed"], cells, first["detail"], first["diagnosis"])
        )
    return lines


def _worst_errors(row: Row) -> tuple[float | None, float | None]:
    """The largest error of a gradient in "accuracy", explicit and autodiff's."""
    worst = _accuracy("", "", [row])
    return worst.explicit.worst, worst.autodiff.worst


def _costs(row: Row) -> tuple[list[tuple[str, str, str]], list[str]]:
    """What, explicit, autodiff; and of what there is nothing in either."""
    lines = []
    if row["time"] is not None:
        ours, theirs = (row["time"][side] for side in ("explicit", "autodiff"))
        lines += [
            (f"time, {key}", seconds(ours[key]), seconds(theirs[key]))
            for key in ("median", "low", "high")
        ]
        lines.append(("cores busy", f"{ours['utilisation']:.1f}", f"{theirs['utilisation']:.1f}"))
    if row["costs"] is not None:
        ours, theirs = (row["costs"][side] for side in ("explicit", "autodiff"))
        words: dict[str, Callable[[Any], str]] = {"count": str, "size": size, "flops": flops}
        lines += [
            (label, words[unit](ours[key]), words[unit](theirs[key]))
            for key, (label, unit) in COSTS.items()
        ]
    absent = [what for what, ours, theirs in lines if ours == theirs == "0"]
    return [line for line in lines if line[0] not in absent], absent


def _texts(row: Row) -> list[str]:
    """The row's programs: both jaxprs, both excerpts of what was compiled."""
    return [
        row["costs"][side][key] for key in ("jaxpr", "excerpt") for side in ("explicit", "autodiff")
    ]


def _packed(texts: Sequence[str]) -> str:
    return base64.b64encode(
        gzip.compress(json.dumps(texts, ensure_ascii=False).encode(), 9, mtime=0)
    ).decode()


def _svg(text: str) -> str:
    """Without what stands before the element in a file: an XML declaration, a
    doctype."""
    return text[text.index("<svg") :]
