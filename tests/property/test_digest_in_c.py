"""The digest in C is BLAKE2b as hashlib has it, wherever the pieces begin and end.

`DIRSYNC_EXAMPLES=5000` for a long run.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.program import CHECKOUT

EXAMPLES = int(os.environ.get("DIRSYNC_EXAMPLES", "300"))
BLOCK = 128
STATE_BYTES = 64 + 16 + 8 + BLOCK
BORDERS = sorted({blocks * BLOCK + by for blocks in range(6) for by in range(-9, 10)} - set(range(-9, 0)))
DigestInC = Callable[[Sequence[bytes]], bytes]

lengths = st.one_of(st.sampled_from(BORDERS), st.integers(0, 5 * BLOCK))


@pytest.fixture(scope="module")
def digest_in_c(tmp_path_factory: pytest.TempPathFactory) -> DigestInC:
    """Build the digest alone, which ends the process where its behaviour is undefined."""
    library = tmp_path_factory.mktemp("digest") / "blake2b.so"
    strict = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC"]
    sanitized = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    source = CHECKOUT / "dirsync/scan/native/blake2b.c"
    subprocess.run(["gcc", *strict, *sanitized, "-o", str(library), str(source)], check=True)
    built = ctypes.CDLL(str(library))

    def digest(pieces: Sequence[bytes]) -> bytes:
        state = ctypes.create_string_buffer(os.urandom(STATE_BYTES), STATE_BYTES)
        result = ctypes.create_string_buffer(16)
        built.begin_digest(state)
        for piece in pieces:
            built.add_to_digest(state, piece, ctypes.c_size_t(len(piece)))
        built.end_digest(state, result)
        return result.raw

    return digest


def digest_of(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def test_every_length_around_the_borders_of_blocks_has_its_digest(digest_in_c: DigestInC) -> None:
    for length in BORDERS:
        data = os.urandom(length)
        assert digest_in_c([data]) == digest_of(data), data


def test_many_blocks_have_their_digest(digest_in_c: DigestInC) -> None:
    data = os.urandom(1_000_001)

    assert digest_in_c([data]) == digest_of(data)
    assert digest_in_c([data[:77], data[77:]]) == digest_of(data)


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(pieces=st.lists(lengths, max_size=12), seed=st.binary(max_size=8))
def test_pieces_have_the_digest_of_the_whole(digest_in_c: DigestInC, pieces: list[int], seed: bytes) -> None:
    data = hashlib.shake_128(seed).digest(sum(pieces))
    ends = [sum(pieces[: count + 1]) for count in range(len(pieces))]
    cut = [data[end - length : end] for length, end in zip(pieces, ends, strict=True)]

    assert digest_in_c(cut) == digest_of(data)
