"""Units, accounts, postings and transfers: who holds what, and how it came to be so.

This package imports nothing else of ours. The rules it keeps are in docs/DECISIONS.md, 1 to 6.
"""
