"""The groups of the ``tanhui`` command, a module each; ``service.cli`` puts them together."""
