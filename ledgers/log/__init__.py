"""The transparency log: one leaf a transfer, in a tree that only grows (docs/log.md).

Trees and proofs, leaves, files, signed notes, and the reader that an outsider runs: these modules
need no database.
"""
