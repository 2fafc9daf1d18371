"""The numbers that both sides make for themselves: parameters and token ids from names alone (README.md, "The recipe")."""

import numpy as np

MASK = (1 << 64) - 1


def fnv1a(text: str) -> int:
    """64-bit FNV-1a of the text's UTF-8 bytes."""
    hash = 0xCBF29CE484222325
    for byte in text.encode():
        hash = (hash ^ byte) * 0x100000001B3 & MASK
    return hash


def words(name: str, count: int) -> np.ndarray:
    """The first `count` outputs of splitmix64 seeded with the name's hash."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return z ^ z >> np.uint64(31)


def parameter(name: str, shape, scale: float, offset: float) -> np.ndarray:
    """offset + scale * u in double precision, rounded once to float32; u has 24 bits in [-1, 1)."""
    u = (words(name, int(np.prod(shape, dtype=np.int64))) >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0
    return (offset + scale * u).astype(np.float32).reshape(shape)


def token_ids(batch: int, tokens: int, vocabulary: int) -> np.ndarray:
    return (words("ids", batch * tokens) % np.uint64(vocabulary)).astype(np.int64).reshape(batch, tokens)


def fingerprint(arrays) -> str:
    """FNV-1a over the bit patterns of all numbers, a 32-bit word at a time, in hexadecimal."""
    hash = 0xCBF29CE484222325
    for array in arrays:
        for word in np.ascontiguousarray(array, dtype=np.float32).view(np.uint32).ravel().tolist():
            hash = (hash ^ word) * 0x100000001B3 & MASK
    return f"{hash:016x}"
