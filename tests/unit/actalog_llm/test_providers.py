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


@pytest.mark.parametrize(
    ("provider", "setting"),
    [("openai_like", "OPENAI_LIKE_BASE_URL"), ("azure", "AZURE_BASE_URL"), ("groq", "GROQ_API_KEY"),
     ("anthropic", "ANTHROPIC_API_KEY")],
)  # fmt: skip
def test_what_is_missing_is_told_by_the_setting_that_mends_it(provider: str, setting: str):
    with pytest.raises(NotConfigured) as told:
        endpoint(ModelChoice(provider=provider, id="m"), Settings())
    assert setting in told.value.message
