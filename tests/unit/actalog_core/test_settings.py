from pathlib import Path

import pytest

from actalog_core.errors import SettingMissing
from actalog_core.settings import Settings


def test_defaults_need_no_environment():
    assert Settings.from_env({}).port == 7777


def test_a_secret_may_stand_in_a_file(tmp_path: Path):
    (tmp_path / "key").write_text("sk-1\n")
    env = {"OPENAI_API_KEY_FILE": str(tmp_path / "key")}
    assert Settings.from_env(env).openai_api_key == "sk-1"


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(SettingMissing, match="OPENAI_API_KEY_FILE"):
        Settings.from_env({"OPENAI_API_KEY_FILE": str(tmp_path / "none")})


def test_a_wrong_value_names_its_setting():
    with pytest.raises(SettingMissing, match="port"):
        Settings.from_env({"ACTALOG_PORT": "many"})
