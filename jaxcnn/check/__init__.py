"""Gradient checks: is a hand-written rule right, how accurate is it, and what does it
cost?"""

from jaxcnn.check.certify import Certificate, certify
from jaxcnn.check.compare import Comparison, Cost, compare, cost
from jaxcnn.check.measure import Check

__all__ = ["Certificate", "Check", "Comparison", "Cost", "certify", "compare", "cost"]
