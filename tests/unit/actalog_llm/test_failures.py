"""What a failed attempt tells of its provider's error."""

from actalog_llm.failures import failure

KEY = "sk-the-key-of-somebody"


def test_a_key_that_the_provider_repeats_is_struck_out():
    error = RuntimeError(f"Incorrect API key provided: {KEY}. Bearer {KEY} is not known.")
    told = failure(error, secret=KEY)
    assert KEY not in told.message
    assert "***" in told.message


def test_without_a_key_the_message_stays_as_it_is():
    assert failure(RuntimeError("no such model")).message.endswith("no such model")
