"""Runs questions through the pipeline and keeps what came of each: a run can be resumed, compared and reported."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from assistant.answer import Answer, Question, QuestionError, Turn
from assistant.context import Context
from assistant.pipeline import answer_question, steps_for
from assistant.settings import Settings
from assistant.settings import settings as process_settings
from evals.metrics import METRICS, Scores, means, missing_facts, readability, score
from evals.questions import EvalError, EvalQuestion, Split, load_questions
from evals.relevance import Judgements, Relevance
from indexing.passages import Passage
from indexing.search import Hit, Index

DEPTH = 10
"""Retrieved passages that are kept and measured."""
WANTED = 2
"""Passages of the best grade that are kept for the report."""
EXCERPT = 200
Trace = tuple[dict[str, Any], ...]
RESULTS = "results.jsonl"
RUN = "run.json"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run was made with."""

    split: str
    sets: tuple[str, ...]
    questions: int
    index_version: str
    embedding_model: str
    composer: str
    started: str
    workers: int
    machine: str
    sample: int | None = None
    """How many of the questions were drawn; None: all were asked."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage, where it was ranked, and how much it could have helped."""

    passage_id: str
    jurisdiction: str
    reference: str
    excerpt: str
    """How the passage begins."""
    grade: int
    """Number of expected facts that it holds."""
    rank: int | None
    """From 1; None: not among the retrieved."""


@dataclass(frozen=True, slots=True)
class Result:
    """One question, its answer, and what was measured."""

    question: EvalQuestion
    answer: dict[str, Any]
    """`Answer.to_json()`."""
    retrieved: tuple[Ranked, ...]
    wanted: tuple[Ranked, ...]
    """Passages of the best grade, for answerable questions."""
    scores: Scores
    violations: tuple[str, ...]
    missing: tuple[tuple[str, ...], ...]
    """Expected facts that the answer does not state."""
    readability: dict[str, float]
    written: dict[str, float] = field(default_factory=dict)
    """What a language model did: its sentences by what became of them, its calls, tokens and cost. Empty without one."""

    @property
    def total_ms(self) -> float:
        """Time of all steps together."""
        return float(sum(self.answer["timings_ms"].values()))

    def to_json(self) -> str:
        """One line of results.jsonl."""
        return json.dumps(asdict(self) | {"question": self.question.model_dump(mode="json")}, ensure_ascii=False)

    @classmethod
    def of_json(cls, line: str) -> Result:
        """Read what `to_json` wrote."""
        fields = json.loads(line)
        return cls(
            question=EvalQuestion.model_validate(fields["question"]),
            answer=fields["answer"],
            retrieved=tuple(Ranked(**entry) for entry in fields["retrieved"]),
            wanted=tuple(Ranked(**entry) for entry in fields["wanted"]),
            scores=fields["scores"],
            violations=tuple(fields["violations"]),
            missing=tuple(tuple(fact) for fact in fields["missing"]),
            readability=fields["readability"],
            written=fields.get("written", {}),
        )


class Evaluation:
    """Asks and measures questions over one index."""

    def __init__(self, index: Index, settings: Settings) -> None:
        self._index = index
        self._settings = settings
        self._relevance = Relevance(index)

    def evaluate(self, question: EvalQuestion) -> Result:
        """Ask one question, after the earlier ones of its conversation, and measure the answer."""
        history: tuple[Turn, ...] = ()
        for earlier in question.history:
            answer, _, _ = self._ask(Question(text=earlier, history=history))
            history = (*history, Turn(earlier, answer.answer, answer.status, answer.jurisdictions))
        answer, hits, trace = self._ask(Question(text=question.question, history=history))
        judgements = self._relevance.judgements(question)
        plain = answer.to_json()
        scores, violations = score(question, plain, [hit.passage.id for hit in hits], judgements, self._index)
        return Result(
            question=question,
            answer=plain,
            retrieved=tuple(_ranked(hit.passage, judgements, rank) for rank, hit in enumerate(hits[:DEPTH], start=1)),
            wanted=self._wanted(hits, judgements),
            scores=scores,
            violations=tuple(violations),
            missing=tuple(missing_facts(question, plain)),
            readability=readability(answer.answer) if answer.status == "answered" else {},
            written=_written(trace),
        )

    def _wanted(self, hits: Sequence[Hit], judgements: Judgements) -> tuple[Ranked, ...]:
        ranks = {hit.passage.id: rank for rank, hit in enumerate(hits, start=1)}
        best = sorted(judgements.grades, key=lambda identifier: (-judgements.grades[identifier], identifier))
        passages = [self._index.store.get(identifier) for identifier in best[:WANTED]]
        return tuple(_ranked(passage, judgements, ranks.get(passage.id)) for passage in passages if passage)

    def _ask(self, question: Question) -> tuple[Answer, list[Hit], Trace]:
        """The answer, what was retrieved for it (the lists of several programmes merged rank by rank), and its trace."""
        seen: list[Context] = []
        try:
            steps = (("observe", seen.append), *steps_for(self._settings))
            *_, last = answer_question(question, self._index, self._settings, steps)
        except QuestionError as error:
            raise EvalError(f"the pipeline refuses the question '{question.text[:60]}': {error}") from error
        assert last.answer is not None
        last.answer.timings_ms.pop("observe", None)
        return last.answer, _merged(list(seen[0].hits.values())), last.trace


OUTCOMES = ("kept", "attributed", "repaired", "dropped", "appended")
"""What becomes of a model's sentence, and what is put beside it (docs/models.md)."""


def _written(trace: Trace) -> dict[str, float]:
    accounts = [note for note in trace if note["step"] == "account"]
    if not accounts:
        return {}
    outcomes = [note.get("outcome") for note in trace if note["step"] == "write"]
    counts: dict[str, float] = {outcome: outcomes.count(outcome) for outcome in OUTCOMES}
    return counts | {key: sum(a[key] for a in accounts) for key in ("calls", "input_tokens", "output_tokens", "cost")}


def _merged(lists: Sequence[list[Hit]]) -> list[Hit]:
    deepest = max(map(len, lists), default=0)
    merged = {hits[rank].passage.id: hits[rank] for rank in range(deepest) for hits in lists if rank < len(hits)}
    return list(merged.values())


def _ranked(passage: Passage, judgements: Judgements, rank: int | None) -> Ranked:
    excerpt = passage.text if len(passage.text) <= EXCERPT else passage.text[:EXCERPT].rsplit(" ", 1)[0] + " …"
    grade = judgements.grades.get(passage.id, 0)
    return Ranked(passage.id, passage.jurisdiction, passage.reference, excerpt, grade, rank)


def run(
    split: Split,
    sets: Sequence[str],
    out_dir: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    sample: int | None = None,
    settings: Settings | None = None,
    show_progress: bool = True,
) -> Path:
    """Ask all questions of a split and write run.json and results.jsonl into `out_dir`, which is returned.

    With `resume`, questions that `out_dir` already holds are not asked again. With `sample`, only that many are asked:
    spread over all kinds, and the same ones in every run.

    Raises:
        EvalError: bad question sets; a folder that holds another run; questions that the pipeline refuses.
        IndexMissing, IndexUnusable: see `indexing.versions`.
    """
    settings = settings or process_settings()
    questions = _sampled(load_questions(split, sets), sample)
    index = Index.open(settings.index, settings.embedding_model)
    info = RunInfo(
        split=split,
        sets=tuple(sets),
        sample=sample,
        questions=len(questions),
        index_version=index.version,
        embedding_model=index.manifest.model,
        composer=_composer(settings),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        workers=workers,
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU",
    )
    done = _prepare(out_dir, info, resume)
    left = [question for question in questions if question.id not in done]
    with (out_dir / RESULTS).open("a", encoding="utf-8") as lines:
        for result in _progress(evaluated(left, index, settings, workers), len(done), len(questions), show_progress):
            lines.write(result.to_json() + "\n")
            lines.flush()
    index.close()
    return out_dir


def _composer(settings: Settings) -> str:
    """What composes the answers; a model's file by its name alone."""
    name = settings.llm or "extractive"
    return f"gguf:{Path(name).stem}" if name.startswith("gguf:") else name


def _sampled(questions: list[EvalQuestion], sample: int | None) -> list[EvalQuestion]:
    """A sample in which each kind of reply has its share, drawn by the questions' ids alone."""
    if sample is None or sample >= len(questions):
        return questions
    drawn = sorted(questions, key=lambda question: (question.expect, sha256(question.id.encode()).digest()))
    chosen = {drawn[i * len(drawn) // sample].id for i in range(sample)}
    return [question for question in questions if question.id in chosen]


def _prepare(out_dir: Path, info: RunInfo, resume: bool) -> set[str]:
    """Make or check the run's folder; ids of the questions that it holds."""
    out_dir.mkdir(parents=True, exist_ok=True)
    if (out_dir / RUN).exists():
        if not resume:
            raise EvalError(f"{out_dir} already holds a run; resume it or choose another folder")
        before = read_info(out_dir)
        for name in ("split", "sets", "sample", "index_version", "composer"):
            if getattr(before, name) != getattr(info, name):
                raise EvalError(f"{out_dir} was run with another {name.replace('_', ' ')}; start a new run")
        return _keep_whole_lines(out_dir / RESULTS)
    (out_dir / RUN).write_text(json.dumps(asdict(info), indent=1), encoding="utf-8")
    return set()


def _keep_whole_lines(path: Path) -> set[str]:
    """Drop the last line if a killed run left it half-written; ids of the rest."""
    if not path.exists():
        return set()
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return {Result.of_json(line).question.id for line in whole.splitlines()}


def evaluated(questions: Sequence[EvalQuestion], index: Index, settings: Settings, workers: int) -> Iterator[Result]:
    """Results as they come in: in order with one worker; other processes open the settings' index themselves."""
    if workers <= 1 or len(questions) < 2:
        evaluation = Evaluation(index, settings)
        yield from map(evaluation.evaluate, questions)
        return
    # A forked process would share the database handles and the threads of this one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _open_in_worker, (settings,)) as pool:
        futures = [pool.submit(_evaluate_in_worker, question) for question in questions]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_worker: dict[str, Evaluation] = {}


def _open_in_worker(settings: Settings) -> None:
    _worker["evaluation"] = Evaluation(Index.open(settings.index, settings.embedding_model), settings)


def _evaluate_in_worker(question: EvalQuestion) -> Result:
    return _worker["evaluation"].evaluate(question)


def _progress(results: Iterable[Result], done: int, total: int, show: bool) -> Iterator[Result]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bar:
        task = bar.add_task("questions", total=total, completed=done)
        for result in results:
            yield result
            bar.advance(task)


def read_info(run_dir: Path) -> RunInfo:
    """What a run was made with.

    Raises:
        EvalError: the folder holds no run.
    """
    try:
        fields = json.loads((run_dir / RUN).read_text(encoding="utf-8"))
        return RunInfo(**fields | {"sets": tuple(fields["sets"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EvalError(f"{run_dir} holds no run; make one with 'aeo eval run'") from error


def read_results(run_dir: Path) -> list[Result]:
    """The results of a run, by question id.

    Raises:
        EvalError: the folder holds no run, or one of another release.
    """
    read_info(run_dir)
    path = run_dir / RESULTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    try:
        return sorted((Result.of_json(line) for line in lines), key=lambda result: result.question.id)
    except (ValueError, TypeError, KeyError) as error:
        raise EvalError(f"{path} is incomplete or of another release; resume the run or make a new one") from error


def summary(run_dir: Path) -> str:
    """The scores of a run as a table, and the time of an answer.

    Raises:
        EvalError: the folder holds no run, or an empty one.
    """
    results = read_results(run_dir)
    if not results:
        raise EvalError(f"{run_dir} holds no results; resume the run")
    scores = means([result.scores for result in results])
    lines = [f"{'score':<30}{'n':>5}{'mean':>8}"]
    for metric in METRICS:
        if metric.name in scores:
            count = sum(result.scores.get(metric.name) is not None for result in results)
            lines.append(f"{metric.title:<30}{count:>5}{scores[metric.name]:>8.3f}")
    p50, p95 = np.percentile([result.total_ms for result in results], [50, 95])
    return "\n".join([*lines, f"{'milliseconds of an answer':<30}{len(results):>5}   p50 {p50:.1f}, p95 {p95:.1f}"])
