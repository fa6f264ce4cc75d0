"""Which fields AgentOS's forms may have. What would be ignored is refused by its name: whoever sends
`knowledge_filters`, or misspells `session_id`, must not take the answer for what was asked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile

from actalog_gateway.problems import Problem

NOT_MEANT = ("", "null", "none")  # what AgentOS reads as no value, too
FLAGS = ("stream", "stream_events", "background")
# They say how much somebody sees of a run on Agno's side, and change nothing of the run.
OF_NO_EFFECT = ("monitor", "debug_mode", "debug_level", "use_json_schema")


@dataclass(frozen=True, slots=True)
class Fields:
    """`usual`: fields that are not supported, with the value that asks for nothing."""

    known: Collection[str]
    usual: Mapping[str, str]

    def check(self, form: FormData) -> None:
        """Nothing, where each field of the form has its effect or none at all.

        Raises:
            Problem: it names the first one that is not supported.
        """
        for name, value in form.multi_items():
            if name in self.known or name in OF_NO_EFFECT or not _meant(value):
                continue
            if name in self.usual and isinstance(value, str) and value.lower() == self.usual[name]:
                continue
            said = f"{name[:200]!r}: there is no such field, or this version does not support it"
            raise Problem("not_supported", said, field=name[:200], status=400)


def _meant(value: str | UploadFile) -> bool:
    """Browsers send an empty file where none was chosen."""
    return bool(value.size) if isinstance(value, UploadFile) else value.lower() not in NOT_MEANT


RUN = Fields(
    known={
        *FLAGS, "message", "session_id", "user_id", "session_state", "dependencies", "metadata",
        "output_schema", "files", "images", "audio", "videos", "input_files",
    },
    usual={},
)  # fmt: skip
CONTINUE = Fields(
    known={*FLAGS, "tools", "session_id", "user_id"},
    usual={"continue_from": "end", "fork": "false", "regenerate": "false",
           "replace_original": "false"},
)  # fmt: skip
