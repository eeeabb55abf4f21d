"""Gradient checks: is a hand-written rule right, and how accurate?"""

from jaxcnn.check.certify import Certificate, Check, certify

__all__ = ["Certificate", "Check", "certify"]
