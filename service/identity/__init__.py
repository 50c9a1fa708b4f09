"""Residents' outside ids, tokens and roles: the only package that knows who a holder is."""
