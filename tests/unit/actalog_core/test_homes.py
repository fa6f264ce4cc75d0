from aiokafka import partitioner
from hypothesis import given
from hypothesis import strategies as st

from actalog_core import homes


@given(st.binary(max_size=64))
def test_a_home_is_where_aiokafka_puts_the_key(key: bytes):
    theirs = partitioner.murmur2(key) & 0x7FFFFFFF  # pyright: ignore
    assert homes.murmur2(key) == theirs


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 64))
def test_a_home_is_one_of_the_partitions(session: str, partitions: int):
    assert 0 <= homes.home(session, partitions) < partitions
