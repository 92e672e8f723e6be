"""The command line: contracts, batches, bad input."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

AEO = Path(sys.executable).parent / "aeo"
QUESTION = "How long does EU customs have to decide on an AEO application?"


@pytest.fixture
def run(shipped_index: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    def call(*arguments: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        settings = {"AEO_INDEX": str(shipped_index), "AEO_DATABASE_URL": f"sqlite:///{tmp_path}/aeo.sqlite3"}
        return subprocess.run(
            [AEO, *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **settings, **variables},
        )

    return call


def test_an_answer_in_words_and_in_json(run) -> None:  # type: ignore[no-untyped-def]
    said = run("ask", QUESTION)
    assert said.returncode == 0
    assert "120 days" in said.stdout
    assert "our restatement" in said.stdout
    answer = json.loads(run("ask", QUESTION, "--json").stdout)
    assert (answer["status"], answer["jurisdictions"], answer["composer"]) == ("answered", ["EU"], "extractive")
    assert {c["marker"] for c in answer["citations"]} == set(range(1, len(answer["citations"]) + 1))
    assert list(answer) == [
        "id", "question", "conversation_id", "status", "reason", "answer", "jurisdictions", "audience", "citations",
        "notices", "suggestions", "composer", "index_version", "timings_ms",
    ]  # fmt: skip


def test_a_batch_keeps_order_and_ids(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lines = [{"id": "b", "question": QUESTION}, {"id": "a", "question": "Is CTPAT free?"}, {"id": 7, "question": ""}]
    batch = tmp_path / "questions.jsonl"
    batch.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    done = run("ask", "--batch", str(batch), "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["b", "a", 7]
    assert answers[1]["jurisdictions"] == ["US"]
    assert "empty" in answers[2]["error"]
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_search_and_its_batch(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    hits = json.loads(run("search", "seal integrity", "-k", "3", "-j", "us", "--json").stdout)["hits"]
    assert len(hits) == 3
    assert all(hit["jurisdiction"] == "US" and hit["passage_id"] for hit in hits)
    done = run("search", "--batch", "-", "-k", "2", text='{"_id": "q1", "text": "financial solvency"}\n')
    assert json.loads(done.stdout)["id"] == "q1"


def test_a_collection_without_programmes_is_built_and_searched(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lines = [{"_id": f"p{n}", "title": "Rule 4", "text": f"Line {n}\nof the rule on seals."} for n in (1, 2)]
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    index = str(tmp_path / "rules-index")
    assert "2 passages" in run("index", "build", "--source", str(tmp_path / "rules"), "--index", index).stdout
    said = run("search", "line 2 seals", "-k", "1", "--index", index).stdout
    assert said.startswith(" 1. Rule 4\n")
    assert "    Line 2\n    of the rule on seals.\n    p2  score" in said
    assert "0 programmes" in run("index", "status", "--index", index).stdout


def test_a_conversation_goes_on_after_a_restart(run) -> None:  # type: ignore[no-untyped-def]
    first = run("chat", text=f"{QUESTION}\n\n")
    conversation = first.stdout.split()[-1]
    assert conversation.startswith("conv_")
    second = run("chat", "--conversation", conversation, text="and in the UK?\n\n")
    assert "HMRC" in second.stdout
    assert run("chat", "--conversation", "conv_none").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("ask", ""), 2, "the question is empty"),
        (("ask", "x" * 100_000), 2, "more than the 4,000 allowed"),
        (("ask", "a\x07b"), 2, "control or binary"),
        (("ask", "How long?", "-j", "ZZ"), 2, "no guidance on ZZ; choose from"),
        (("ask",), 2, "give one QUESTION, or --batch FILE"),
        (("ask", "How long?", "--index", "/nonexistent"), 1, "aeo index build"),
        (("mra", "EU", "EU"), 1, ""),
        (("mra", "QQ"), 1, "QQ"),
        (("eligibility", "ZZ"), 1, "ZZ"),
        (("compare", "validity", "EU"), 1, ""),
        (("nonsense",), 2, "No such command"),
        (("index", "build", "--source", "/nonexistent"), 2, "does not exist"),
    ],
)
def test_bad_input_is_one_clear_line(run, arguments: tuple[str, ...], status: int, says: str) -> None:  # type: ignore[no-untyped-def]
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_wrong_setting_and_an_unknown_one_are_named(run) -> None:  # type: ignore[no-untyped-def]
    assert "AEO_PORT" in run("doctor", AEO_PORT="http").stderr
    doctor = run("doctor", AEO_INDX="typo")
    assert doctor.returncode == 1
    assert "AEO_INDX is no setting" in doctor.stdout


@pytest.mark.parametrize(
    "command",
    ["ask", "chat", "search", "corpus", "index", "compare", "mra", "eligibility", "eval", "serve", "slack", "doctor"],
)
def test_every_command_has_help_with_an_example(run, command: str) -> None:  # type: ignore[no-untyped-def]
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Example: " in done.stdout


def test_index_commands(run) -> None:  # type: ignore[no-untyped-def]
    status = json.loads(run("index", "status", "--json").stdout)
    assert status["passages"] > 3000
    assert "EU" in status["jurisdictions"]
    assert "The index is whole." in run("index", "verify").stdout
    assert "no problems" in run("corpus", "validate").stdout
    assert "hk-" in run("corpus", "list").stdout


def test_comparison_and_arrangements(run) -> None:  # type: ignore[no-untyped-def]
    assert "no expiry" in run("compare", "validity", "EU", "GB").stdout
    found = json.loads(run("mra", "EU", "JP", "--json").stdout)
    assert found["entries"][0]["partners"] == ["JP"]
    assert found["citations"]


def test_a_comparison_is_a_table_as_wide_as_the_terminal(shipped_index: Path) -> None:
    screen, terminal = pty.openpty()
    variables = {"PATH": "/usr/bin:/bin", "AEO_INDEX": str(shipped_index), "COLUMNS": "90", "TERM": "xterm"}
    subprocess.run([AEO, "compare", "validity", "EU", "KR"], stdout=terminal, env=variables, check=True)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(screen, 65536):
            shown += piece
    os.close(screen)
    lines = shown.decode().splitlines()
    assert lines[0].startswith("┏")
    assert {len(line) for line in lines if line.startswith("├")} == {90}
    assert any(line.startswith("[1] ") and line.count("https://") == 1 for line in lines)


def test_own_documents_are_added_compared_and_found(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    act = tmp_path / "act.md"
    act.write_text(
        "# Customs Act\n\n## Section 27\n\nA zebra trader keeps records for seven years.\n", encoding="utf-8"
    )
    index = str(tmp_path / "own")
    assert run("index", "build", "--index", index).returncode == 0
    assert (
        "act: Customs Act (NZ"
        in run("corpus", "add", str(act), "-j", "NZ", "--access", "officer", "--index", index).stdout
    )
    assert "section 27" in run("corpus", "diff", "--index", index).stdout
    assert run("index", "update", "--index", index).returncode == 0
    assert "section 27" in run("search", "zebra trader", "-k", "1", "--audience", "officer", "--index", index).stdout
    assert "section 27" not in run("search", "zebra trader", "-k", "5", "--index", index).stdout
    assert "Nothing changed." in run("corpus", "diff", "--index", index).stdout


def test_what_cannot_be_added_or_fetched_is_one_line(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments, says in (
        (("corpus", "add", str(tmp_path / "none.pdf")), "no such file"),
        (("corpus", "add", "http://127.0.0.1:9/x", "-j", "NZ"), "127.0.0.1"),
        (("corpus", "fetch", "no-such-publication"), "no publication is called"),
    ):
        done = run(*arguments, "--index", str(tmp_path / "own"))
        assert done.returncode == 1, done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr
