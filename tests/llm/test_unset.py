"""Without a model set, nothing of it is imported and every answer is as before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from assistant.answer import Question
from assistant.pipeline import STEPS, answer_question, steps_for
from assistant.settings import Settings
from indexing.search import Index

_ASK = """
import sys
from pathlib import Path
from assistant.answer import Question
from assistant.service import Assistant
from assistant.settings import Settings
given = Assistant(Settings(index=Path(sys.argv[1]), database_url="sqlite://")).ask(Question(sys.argv[2]))
assert given.status == "answered", given
loaded = [name for name in sys.modules if name.split(".")[0] in ("langchain", "langchain_core", "openai", "xllamacpp")]
loaded += [name for name in sys.modules if name.startswith("assistant.llm")]
print(sorted(loaded))
"""


def test_nothing_of_a_model_is_imported(small_index: Path) -> None:
    question = "How long does the EU take to decide on an AEO application?"
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(small_index), question], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_steps_are_the_same(small_index: Path) -> None:
    assert steps_for(Settings(index=small_index)) is STEPS


def test_no_trace(small_index: Path) -> None:
    index = Index.open(small_index)
    *_, last = answer_question(
        Question("Is there a fee for an EU AEO application?"), index, Settings(index=small_index)
    )
    assert last.trace == ()
    assert last.answer is not None
    assert last.answer.composer == "extractive"
