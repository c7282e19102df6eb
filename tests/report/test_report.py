"""The report and the comparison, as files."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import ParameterGrid

from steps.data.profile import profile
from steps.model.bootstrap import Interval
from steps.model.evaluation import Evaluation, Trained, evaluate
from steps.model.fitted_search import summarize_search
from steps.model.gate import Decision, Duel, Requirements
from steps.model.grid import Grid
from steps.model.task import BinaryTask
from steps.report import charts, comparison, search_figures, search_layout
from steps.report import train_report as report
from steps.report.charts import shortened
from steps.report.origin import Origin
from tests.model.trained import train

FIGURES = {
    *("roc", "precision_recall", "cross_validation", "calibration", "confusion", "thresholds"),
    *("importances", "candidates", "hyper_parameters"),
}
HEADINGS = [
    "Scores on the held-out rows",
    "Cross-validation against held-out rows",
    "Decisions at threshold 0.5",
    "What the model looks at",
    "The search",
    "The data",
]


class Page(HTMLParser):
    """What a page holds: text, tags, attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def origin_of(trained: Trained) -> Origin:
    summary = profile(pa.Table.from_pandas(trained.train), len(trained.test), trained.schema)
    return Origin(trained.schema, summary, 42, {"train run": "abc"})


def write(
    evaluation: Evaluation, trained: Trained, folder: Path, decision: Decision | None = None
) -> Page:
    report.write(folder, evaluation, decision or Decision(), origin_of(trained))
    return Page((folder / report.NAME).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(
    evaluation: Evaluation, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("written") / "report"
    write(evaluation, trained, folder)
    return folder


def check_self_contained(page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    for name, value in page.attributes:
        assert name not in ("src", "srcset", "data", "action", "poster"), (name, value)
        if name.endswith("href"):
            assert str(value).startswith("#"), value


def test_report_holds_everything_and_nothing_from_elsewhere(written: Path) -> None:
    html = (written / report.NAME).read_text(encoding="utf-8")
    page = Page(html)
    check_self_contained(page)
    assert "url(http" not in html
    assert "@import" not in html
    for heading in (*HEADINGS, "Brier", "Logistic regression", "Majority class", "Glucose"):
        assert heading in page.text
    assert page.tags.count("svg") == len(FIGURES)
    assert "prefers-color-scheme: dark" in html
    assert len(html) < 500_000


def test_figures_are_png_files_too(written: Path) -> None:
    files = {path.stem: path for path in (written / report.PLOTS).iterdir()}
    assert set(files) == FIGURES
    for path in files.values():
        assert matplotlib.image.imread(path).shape[1] == charts.WIDTH * charts.PNG_DOTS_PER_INCH


def test_figures_follow_the_theme(written: Path) -> None:
    html = (written / report.NAME).read_text(encoding="utf-8")
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert re.findall(r"#[0-9a-fA-F]{6}\b", drawn) == []
    for variable in re.findall(r"var\((--\w+)\)", html):
        assert html.count(f"{variable}:") == 2, f"{variable} has a light and a dark value"


def test_same_evaluation_same_file(
    evaluation: Evaluation, trained: Trained, written: Path, tmp_path: Path
) -> None:
    write(evaluation, trained, tmp_path / "again")
    again = (tmp_path / "again" / report.NAME).read_bytes()
    assert again == (written / report.NAME).read_bytes()


def test_decision_is_in_the_report(
    evaluation: Evaluation, trained: Trained, tmp_path: Path
) -> None:
    duel = Duel("4", "roc_auc", Interval(0.03, 0.01, 0.05), same_split=True)
    decision = Decision(Requirements(model="m", must_beat=True), duel=duel).registered(
        "5", champion=True
    )
    page = write(evaluation, trained, tmp_path / "report", decision)
    assert "Gate passed: registered as m version 5; the new champion: better than" in page.text


def test_names_from_the_data_cannot_break_the_page(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    unknown = "$\\frac$ 年齢 \x01 " + "b" * 80
    evil = "<script>alert('a')</script> & $x_1$"
    frame = pd.DataFrame(random.normal(size=(80, 2)), columns=[evil, unknown])
    frame["<b>y</b>"] = np.where(frame[evil] > 0, "</svg><p>", "no & no")
    trained = train({"clf__max_depth": [2]}, frame)
    page = write(evaluate(trained, 0.5, details=True), trained, tmp_path / "report")
    check_self_contained(page)
    assert evil in page.text
    assert page.tags.count("svg") == len(FIGURES) - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ({"clf__max_depth": [2]}, "nothing"),
        ({"clf__max_depth": [1, 2, None]}, "line"),
        ({"clf__max_depth": [1, None], "clf__max_features": ["sqrt", None, 1, 1.0]}, "heat map"),
        ({"clf__max_depth": [*range(1, 14)], "clf__bootstrap": [True, False]}, "parallel"),
        ({"clf__max_depth": [1, 2], "clf__bootstrap": [True, False],
          "clf__n_estimators": [1, 2]}, "parallel"),
        ([{"clf__max_depth": [1, 2]}, {"clf__min_samples_leaf": [1, 5]}], "heat map"),
        ({"clf__max_depth": [*range(1, 3001)]}, "line"),
        ({"clf__max_depth": [*range(1, 101)], "clf__max_features": [*range(1, 31)]}, "parallel"),
    ],
)  # fmt: skip
def test_the_search_has_a_figure_for_each_number_of_parameters(
    grid: dict[str, list[object]], expected: str
) -> None:
    search = summarize_search(searched(grid), "roc_auc", 5)
    assert search_layout.kind(search) == expected
    with charts.style():
        drawn = [search_figures.candidates(search), search_figures.hyper_parameters(search)]
        shown = [charts.to_svg(figure, "search") for figure in drawn if figure is not None]
    assert len(shown) == 2 - (expected == "nothing")
    assert max(map(len, shown)) < 600_000


def test_candidates_of_another_grid_have_the_pipelines_default() -> None:
    grid: Grid = [{"clf__max_depth": [2, None]}, {"clf__class_weight": [{0: 1, 1: 10}]}]
    search = summarize_search(searched(grid), "roc_auc", 5)
    assert search_layout.descriptions(search, search.candidates) == [
        "max_depth 2, class_weight default",
        "max_depth none, class_weight default",
        "max_depth default, class_weight {0: 1, 1: 10}",
    ]
    assert search_layout.is_wide(search), "or the end of the longest name would be lost"


def test_of_thousands_of_candidates_it_is_said_which_are_shown() -> None:
    few = summarize_search(searched({"clf__max_depth": [*range(1, 21)]}), "roc_auc", 5)
    assert search_layout.candidates_note(few) == ""
    grid = {"clf__max_depth": [*range(1, 61)], "clf__max_features": [*range(1, 31)]}
    many = summarize_search(searched(grid), "roc_auc", 5)
    assert "all 1,800 by rank; below, the best 20" in search_layout.candidates_note(many)
    assert search_layout.caption(many).endswith("The best 300 of 1,800.")


def searched(grid: Grid) -> dict[str, object]:
    params = list(ParameterGrid(grid))
    scores = np.linspace(0.6, 0.8, len(params))
    return {"params": params, "mean_test_roc_auc": scores, "std_test_roc_auc": scores / 20}


def entry(run_id: str, seed: int, frame_digest: str = "a", noise: float = 0.2) -> comparison.Entry:
    truth = np.random.default_rng(0).random(200) < 0.4
    random = np.random.default_rng(seed)
    probability = np.clip(0.4 + 0.2 * truth + random.normal(0, noise, 200), 0, 1)
    params = {"best max_depth": str(seed), "metric": "roc_auc"}
    task = BinaryTask((0, 1), seed)
    return comparison.Entry(
        run_id, "run", params, task, "y", truth, probability, 0.5, frame_digest, seed, True
    )


def test_comparison_marks_differences_that_are_off_zero(tmp_path: Path) -> None:
    groups = comparison.group([entry("a" * 32, 1), entry("b" * 32, 2), entry("c" * 32, 3, noise=2)])
    (only,) = groups
    assert only.varied == ["best max_depth"]
    _, vague, worse = only.differences
    assert comparison.better("roc_auc", vague["roc_auc"]) is None
    assert comparison.better("roc_auc", worse["roc_auc"]) is False
    assert comparison.better("brier", worse["brier"]) is False
    assert worse["brier"].value > 0
    header, first, second, third, _ = comparison.lines(groups)
    assert header.split()[:3] == ["run", "best", "max_depth"]
    assert "aaaaaaaa" in first
    assert (second.endswith("*"), third.endswith("*")) == (False, True)
    comparison.write(tmp_path, groups)
    page = Page((tmp_path / comparison.NAME).read_text(encoding="utf-8"))
    check_self_contained(page)
    assert page.tags.count("svg") == 1
    assert "▼ −" in page.text


@pytest.mark.slow
def test_many_runs_and_long_names_are_all_named_below_the_curves(tmp_path: Path) -> None:
    names = ["_mine", "a name that somebody has given to this run", *["run"] * 10]
    entries = [replace(entry(f"{i:08}", i), name=name) for i, name in enumerate(names)]
    comparison.write(tmp_path, comparison.group(entries))
    html = (tmp_path / comparison.NAME).read_text(encoding="utf-8")
    (drawn,) = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    for each in entries:
        assert shortened(each.title, 32) in drawn
    lines = re.findall(r"border-top: 3px (\w+ var\(--\w+\))", html)
    assert len(set(lines)) == len(lines) == 12


def test_comparison_says_when_the_held_out_rows_differ(tmp_path: Path) -> None:
    groups = comparison.group([entry("a" * 32, 1), entry("b" * 32, 2, "other rows")])
    assert len(groups) == 2
    assert comparison.lines(groups)[0].startswith("These runs have 2 different sets of held-out")
    assert all(gap == {} for found in groups for gap in found.differences)
    comparison.write(tmp_path, groups)
    page = Page((tmp_path / comparison.NAME).read_text(encoding="utf-8"))
    assert "Not all of these runs can be compared." in page.text
    assert page.tags.count("svg") == 2


def test_digest_is_of_the_rows_and_their_order() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": ["no", "yes"]})
    assert comparison.digest(frame) == comparison.digest(frame.set_axis([5, 6]))
    assert comparison.digest(frame) != comparison.digest(frame[::-1])
    assert comparison.digest(frame) != comparison.digest(frame.rename(columns={"a": "b"}))
