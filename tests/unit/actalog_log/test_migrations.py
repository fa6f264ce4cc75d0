"""Migrations are numbered: two of one number have no order."""

from actalog_log.migrate import scripts


def test_numbers_follow_one_another():
    numbers = [int(name.split("_")[0]) for name, _ in scripts()]
    assert numbers == list(range(1, len(numbers) + 1))
