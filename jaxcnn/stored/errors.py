"""What is wrong with a folder that should hold a model."""


class StoredError(ValueError):
    """A folder holds no model that can be used: a file is missing, damaged, of
    something else or of a later version, or does not fit the model."""


class OwnNetworkError(StoredError):
    """The network is one of its maker's own, and the function that builds it is not
    given."""
