"""What ``make bench`` runs: figures and ratios from one run on one machine, never a timed test."""
