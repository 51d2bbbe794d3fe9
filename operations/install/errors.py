"""What stops an installation."""


class InstallError(Exception):
    """The environment can't be made; shown to the operator as one line that says why and what to do."""
