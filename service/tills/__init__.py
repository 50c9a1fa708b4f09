"""Tills over HTTP: how often codes may be wrong, and what of it the admin log keeps."""
