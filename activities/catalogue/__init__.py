"""Behaviours, methods, factors, rules, scenes and divisions as data files, each with its source."""
