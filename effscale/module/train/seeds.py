"""Seeds by purpose, so that nothing drawn depends on what was drawn before it."""

from __future__ import annotations

from hashlib import blake2b


def seed(*purpose: int | str) -> int:
    """A seed of 63 bits for what is drawn for this purpose alone.

    A training that resumes needs the state of no generator: the draws of a step are
    seeded by the step, those of an image by epoch and image. They are the same by
    however many processes images are read.
    """
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
