"""All cases, and their families in the order in which tables and charts show them."""

from __future__ import annotations

from experiments.benchmark.case import Case
from experiments.benchmark.convolution_cases import CONV_CASES
from experiments.benchmark.operation_cases import OTHER_CASES

CASES: tuple[Case, ...] = (*CONV_CASES, *OTHER_CASES)

CONV_FAMILIES = tuple(dict.fromkeys(case.family for case in CONV_CASES))
FAMILIES = tuple(dict.fromkeys(case.family for case in CASES))
