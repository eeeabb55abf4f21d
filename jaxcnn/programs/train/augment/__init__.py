"""Seeded augmentation: pure functions of a key and a batch of images (n, height, width,
c), float32 in [0, 1] before normalisation, to be called inside a jitted step.

Every image has random numbers of its own, so a batch that is split over devices is
augmented as it would be on one.
"""
