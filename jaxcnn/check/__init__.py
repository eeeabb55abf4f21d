"""Gradient checks: is a hand-written rule right, how accurate is it, and what does it
cost?"""

from jaxcnn.check.certificate import Certificate
from jaxcnn.check.certification import certify
from jaxcnn.check.costs import Comparison, Cost, compare_costs, cost
from jaxcnn.check.gradients import value_and_gradients
from jaxcnn.check.measure import Check

__all__ = [
    "Certificate",
    "Check",
    "Comparison",
    "Cost",
    "certify",
    "compare_costs",
    "cost",
    "value_and_gradients",
]
