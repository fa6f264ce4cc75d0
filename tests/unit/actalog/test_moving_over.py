"""An agent that was written for Agno, with its imports changed."""

import warnings

import pytest

from actalog.agent import Agent
from actalog.db.in_memory import InMemoryDb
from actalog.db.postgres import AsyncPostgresDb, PostgresDb
from actalog.db.sqlite import SqliteDb
from actalog.errors import MovedParameter
from actalog.guardrails import PIIDetectionGuardrail, PromptInjectionGuardrail
from actalog.models.anthropic import Claude
from actalog.models.azure import AzureOpenAI
from actalog.models.base import Model
from actalog.models.cohere import Cohere
from actalog.models.deepseek import DeepSeek
from actalog.models.fireworks import Fireworks
from actalog.models.google import Gemini
from actalog.models.groq import Groq
from actalog.models.lmstudio import LMStudio
from actalog.models.mistral import MistralChat
from actalog.models.ollama import Ollama
from actalog.models.openai import OpenAIChat, OpenAILike
from actalog.models.openrouter import OpenRouter
from actalog.models.together import Together
from actalog.models.vllm import VLLM
from actalog.models.xai import xAI
from actalog.os import AgentOS
from actalog.tools import tool
from actalog_llm.providers import PROVIDERS


def test_a_quickstart_agent_moves_over_with_one_warning():
    with pytest.warns(MovedParameter, match="ACTALOG_DATABASE_URL") as told:
        agent = Agent(
            name="Agent with Memory", model=OpenAIChat(id="gpt-5.4"),
            instructions="You help with watchlists.", db=SqliteDb(db_file="tmp/agents.db"),
            update_memory_on_run=True, add_history_to_context=True, num_history_runs=5,
            pre_hooks=[PIIDetectionGuardrail(), PromptInjectionGuardrail()], markdown=True,
        )  # fmt: skip
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        system = AgentOS(agents=[agent])
    assert system.definitions()[0].id == "agent-with-memory"


@pytest.mark.parametrize("db", [InMemoryDb, PostgresDb, AsyncPostgresDb])
def test_databases_can_be_named(db: type[object]):
    with pytest.warns(MovedParameter):
        Agent(db=db())


@pytest.mark.parametrize(
    "kind",
    [OpenAIChat, Claude, Gemini, Groq, Ollama, OpenRouter, LMStudio, VLLM, AzureOpenAI, MistralChat,
     Cohere, DeepSeek, Together, Fireworks, xAI],
)  # fmt: skip
def test_the_llm_service_knows_the_provider_of_every_model(kind: type[Model]):
    chosen = kind(id="m", base_url="http://127.0.0.1:1/v1").choice()
    assert chosen.provider in PROVIDERS
    assert chosen.base_url == "http://127.0.0.1:1/v1"


def test_openais_key_is_not_sent_to_a_server_that_is_only_like_it():
    assert OpenAILike(id="m", base_url="http://x").choice().provider != "openai"


def test_a_bare_decorator_and_one_with_arguments_are_the_same_tool():
    @tool
    def one(x: int) -> int:
        """Counts."""
        return x

    @tool()
    def two(x: int) -> int:
        """Counts."""
        return x

    assert (one(1), two(2)) == (1, 2)
    first, second = Agent(tools=[one, two]).definition().tools
    assert first.parameters == second.parameters
