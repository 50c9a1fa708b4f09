"""What needs more than the rewards themselves: merchants' bank details, their clerks, and how all
that stands in the admin log.
"""
