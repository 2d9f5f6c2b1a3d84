"""What is wrong with a compiled specification. Imports nothing."""


class SpecificationError(ValueError):
    """A compiled specification that cannot be run: another version's, or none, or not whole."""
