"""Colours of the programs' figures: those of Okabe and Ito (2008), which people with
colour-blindness can tell apart too."""

BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"

COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
"""In the order in which the series of a figure take them."""
