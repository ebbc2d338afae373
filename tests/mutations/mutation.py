"""One row of the mutation table: a guard of the product, the text that is it, and the test that must fail without it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old` occurs once in `file`; with `new` in its place the guard is gone, and `test`, a pytest node, must fail."""

    guard: str
    guarantee: str
    """G1 to G10."""
    file: str
    old: str
    new: str
    test: str
