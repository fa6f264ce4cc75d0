"""Where a model is called, and with which key."""

import pytest

from actalog.models.openai import OpenAILike
from actalog_contracts.definitions import ModelChoice
from actalog_core.settings import PROVIDERS as WITH_SETTINGS
from actalog_core.settings import Settings
from actalog_llm.providers import NO_KEY, PROVIDERS, NotConfigured, endpoint


def test_every_provider_has_its_settings():
    assert {*WITH_SETTINGS, "openai", "anthropic"} == {*PROVIDERS}


def test_an_address_of_ones_own_gets_its_own_key_and_never_that_of_openai():
    choice = OpenAILike("m", base_url="http://mine/v1").choice()
    settings = Settings.from_env({"OPENAI_API_KEY": "sk-openai", "OPENAI_LIKE_API_KEY": "mine"})
    assert endpoint(choice, settings).api_key == "mine"
    settings = Settings.from_env({"OPENAI_API_KEY": "sk-openai"})
    assert endpoint(choice, settings).api_key == NO_KEY


def test_the_address_may_be_a_setting():
    settings = Settings.from_env({"OPENAI_LIKE_BASE_URL": "http://there/v1"})
    assert endpoint(OpenAILike("m").choice(), settings).base_url == "http://there/v1"


def test_space_around_a_key_or_an_address_is_none_of_it():
    told = {"GROQ_API_KEY": " k\n", "GROQ_BASE_URL": " http://there/v1 "}
    where = endpoint(ModelChoice(provider="groq", id="m"), Settings.from_env(told))
    assert (where.api_key, where.base_url) == ("k", "http://there/v1")


@pytest.mark.parametrize("key", ["k\nk", "k\u201d", "k\x00"])
def test_a_key_that_no_header_takes_is_told_by_its_setting(key: str):
    with pytest.raises(NotConfigured, match="GROQ_API_KEY has characters") as told:
        endpoint(ModelChoice(provider="groq", id="m"), Settings.from_env({"GROQ_API_KEY": key}))
    assert told.value.kind == "auth"
    assert key not in told.value.message


@pytest.mark.parametrize(
    "address", ["127.0.0.1:11434/v1", "http://", "http://[::1/v1", "http://there:port/v1"]
)
def test_an_address_that_is_none_is_told_by_its_setting(address: str):
    choice = ModelChoice(provider="ollama", id="m", base_url=address)
    with pytest.raises(NotConfigured, match="OLLAMA_BASE_URL"):
        endpoint(choice, Settings())


@pytest.mark.parametrize(
    "told", ["http://there", "http://there/", "http://there/v1", "http://there/v1/"]
)
def test_anthropic_s_address_may_have_its_version(told: str):
    choice = ModelChoice(provider="anthropic", id="m", base_url=told)
    assert endpoint(choice, Settings()).base_url == "http://there"


@pytest.mark.parametrize(
    ("provider", "setting"),
    [("openai_like", "OPENAI_LIKE_BASE_URL"), ("azure", "AZURE_BASE_URL"), ("groq", "GROQ_API_KEY"),
     ("anthropic", "ANTHROPIC_API_KEY")],
)  # fmt: skip
def test_what_is_missing_is_told_by_the_setting_that_mends_it(provider: str, setting: str):
    with pytest.raises(NotConfigured) as told:
        endpoint(ModelChoice(provider=provider, id="m"), Settings())
    assert setting in told.value.message


def test_a_provider_that_is_not_known_is_told_with_those_that_are():
    with pytest.raises(NotConfigured, match="There is no provider 'grok' without a base_url"):
        endpoint(ModelChoice(provider="grok", id="m"), Settings())
    where = endpoint(ModelChoice(provider="grok", id="m", base_url="http://a.test/v1"), Settings())
    assert (where.dialect, where.api_key) == ("openai", NO_KEY)


def test_azure_s_key_is_sent_in_a_header_of_its_own_and_is_needed_wherever_it_is():
    choice = ModelChoice(provider="azure", id="m", base_url="http://a.test/openai/v1")
    where = endpoint(choice, Settings.from_env({"AZURE_API_KEY": "k"}))
    assert (where.api_key, where.headers) == ("k", (("api-key", "k"),))
    with pytest.raises(NotConfigured, match="AZURE_API_KEY"):
        endpoint(choice, Settings())
    groq = endpoint(ModelChoice(provider="groq", id="m"), Settings.from_env({"GROQ_API_KEY": "k"}))
    assert groq.headers == ()
    mine = endpoint(ModelChoice(provider="ollama", id="m"), Settings())
    assert (mine.api_key, mine.headers) == (NO_KEY, ())
