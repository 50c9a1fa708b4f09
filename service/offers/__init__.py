"""What people do to offers, by the API and by commands: checked against the catalogue, and written
down in the admin log.
"""
