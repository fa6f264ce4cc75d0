"""Where a session lives: murmur2 of its id modulo the partitions (protocol 2.4)."""

from functools import lru_cache
from struct import unpack_from


def murmur2(data: bytes) -> int:
    """Kafka's murmur2, as Java's and aiokafka's own partitioners compute it, made positive."""
    length, m, mask = len(data), 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    words = length // 4
    for word in unpack_from(f"<{words}I", data):
        k = word * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    rest = data[words * 4 :]
    if rest:
        h = ((h ^ int.from_bytes(rest, "little")) * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    h ^= h >> 15
    return h & 0x7FFFFFFF


def home(session_id: str, partitions: int) -> int:
    """The partition of a session."""
    return _hash(session_id) % partitions


def elsewhere(key: str, partitions: int) -> int:
    """A partition far from where `key` belongs: half of them away, so that two consumers who share
    them by ranges have one each."""
    return (_hash(key) + partitions // 2) % partitions


@lru_cache(maxsize=4_096)  # a run says some ten things, all at its session's home
def _hash(session_id: str) -> int:
    return murmur2(session_id.encode())
