"""Simulated days of a programme's residents, honest and not, each act with a label kept apart.

Pure: nothing here reads a database or decides anything. The rules never see a label; a label is
what ``benchmarks/detection.py`` compares their decisions with. The shares and shapes are this
project's own assumptions (docs/simulation.md), not measurements of a city.
"""
