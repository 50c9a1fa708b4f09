"""Background work: one schedule in code, and runners of which the holder of a lease works."""
