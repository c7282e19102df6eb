"""`monitor.html`, drawn from windows of any number and kind."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from steps.model.evaluation import Evaluation, Trained
from steps.report import heat_map, monitor_page, timeline
from steps.report.monitor_charts import shown_score
from steps.scoring import alerts
from steps.scoring.windows import Window
from tests.scoring.weeks import Weeks

DAY = 86_400_000


def page(windows: list[Window], folder: Path, shown: str = "the model of run 0a1b") -> str:
    found = alerts.judge(windows, 0.2)
    record = monitor_page.write(folder, shown, windows, found, 0.2)
    assert record.files == ((folder / "monitor.html", ""),)
    return (folder / "monitor.html").read_text(encoding="utf-8")


def body(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text[text.index("<body>") : text.index("</html>")])


def late(window: Window) -> Window:
    """Give the labels of a window as if they had come later."""
    named = {
        f"late_{name.removeprefix('scored_')}": value
        for name, value in window.metrics.items()
        if name.startswith(("scored_", "rows_labelled", "label_"))
    }
    rest = {k: v for k, v in window.metrics.items() if not k.startswith(("scored_", "label_"))}
    rest.pop("rows_labelled", None)
    return replace(window, metrics=rest | named)


@pytest.fixture(scope="module")
def weeks(trained: Trained, evaluation: Evaluation) -> Weeks:
    return Weeks(trained, evaluation)


def test_page_is_whole_in_itself(weeks: Weeks, tmp_path: Path) -> None:
    year = weeks.year(0, lambda frame, _: frame.assign(Glucose=frame["Glucose"] + 40), 10, weeks=12)
    year[3] = late(year[3])
    text = page(year, tmp_path)
    root = body(text)
    assert not {"script", "link", "img"} & {element.tag for element in root.iter()}
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text
    # Rows, three levels, five scores, a heat map.
    assert len(list(root.iter("svg"))) == 1 + 3 + 5 + 1
    assert "Alert." in text
    assert "feature Glucose has drifted" in text
    assert 'class="model late"' in text
    assert "of labels that came later" in text
    assert text.count(" alarm&#34;") == 0
    assert 's10 alarm"' in text


def test_page_of_one_window_without_anything(tmp_path: Path) -> None:
    window = Window.of("old", 0, {"rows_scored": 3.0}, {})
    text = page([window], tmp_path)
    assert len(list(body(text).iter("svg"))) == 1
    assert "No alert." in text
    assert "There are no labels yet" in text
    assert shown_score(window) == ("", "–", "")


def test_page_of_a_thousand_features_shows_the_worst_and_says_so(tmp_path: Path) -> None:
    windows = []
    for at in range(100):
        drifted = {f"drift.psi.x{(37 * at + k) % 1000:04d}": (k + 1) / 100 for k in range(22)}
        drifted["drift.psi.worst"] = 0.9
        tags = {"drift.features": '{"features":1001,"unlikely":[]}'}
        windows.append(Window.of(f"r{at}", at * DAY, {"rows_scored": 5.0, **drifted}, tags))
    text = page(windows, tmp_path)
    found = heat_map.drift(windows, 0.2, {})
    assert found is not None
    assert len(found.names) == heat_map.MOST_ROWS
    assert found.names[0][2] == "worst"
    assert f"{found.left_out:,} more features, which drifted less, are left out" in text
    assert "where a cell is empty, the feature was not among them" in text
    assert len(text) < 1_000_000


def test_many_windows_are_drawn_from_the_newest_on(tmp_path: Path) -> None:
    windows = [Window.of(f"r{at}", at * DAY, {"rows_scored": 5.0}, {}) for at in range(400)]
    text = page(windows, tmp_path)
    assert "400 scoring runs" in text
    assert f"the {monitor_page.MOST_WINDOWS} newest are drawn" in text
    assert "<code>r399</code>" in text
    assert "<code>r0</code>" not in text


def test_marks_where_another_model_took_over(weeks: Weeks, tmp_path: Path) -> None:
    year = weeks.year(0, weeks=4)
    versions = [replace(w, tags={**w.tags, "model.version": "1"}) for w in year[:2]]
    versions += [
        replace(w, tags={**w.tags, "model.version": "2", "model.run_id": "b" * 32})
        for w in year[2:]
    ]
    axis = timeline.Axis(versions)
    assert axis.marks == ((axis.start(0), "version 1"), (axis.start(2), "version 2"))
    assert timeline.Axis(year).marks == ()
    assert "b" * 32 in page(versions, tmp_path)


def test_text_of_others_is_text(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    window = Window.of(
        evil,
        0,
        {"rows_scored": 5.0, f"drift.psi.{evil}": 1.0, f"drift.unseen.{evil}": 1.0},
        {"model.version": evil, "drift.features": f'{{"features":1,"unlikely":[["{"a<b"}",1,0]]}}'},
    )
    text = page([window], tmp_path, evil)
    assert "<script" not in text
    assert "a&lt;b has drifted" in text
    body(text)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 230], ["0", "50", "100", "150", "200", "250"]),
        ([0.81, 0.84], ["0.81", "0.815", "0.82", "0.825", "0.83", "0.835", "0.84"]),
        ([7, 7], None),
        ([0, 0], None),
        ([], None),
        ([1e9, 1e9 + 1], None),
        ([-1e-12, 1e12], None),
    ],
)
def test_scale_has_round_steps(values: list[float], ticks: list[str] | None) -> None:
    scale = timeline.Scale.over(values)
    found = scale.ticks(lambda value: f"{value:.6g}")
    assert 2 <= len(found) <= 8
    assert all(timeline.TOP <= y <= timeline.FLOOR for y, _ in found)
    if ticks is not None and len(ticks) < 7:
        assert [text for _, text in found] == ticks
    for value in values:
        assert timeline.TOP <= scale.y(value) <= timeline.FLOOR


def test_lines_break_where_a_value_is_missing() -> None:
    windows = [Window.of(f"r{at}", at * DAY, {}, {}) for at in range(4)]
    axis, scale = timeline.Axis(windows), timeline.Scale.over([0, 1])
    assert timeline.line(axis, [0, None, 1, 1], scale).count("M") == 2
    assert len(timeline.area(axis, [(0, 1), (0, 1), None, (0, 1)], scale)) == 2
    assert len(timeline.steps(axis, [None, None, None, None], scale)) == 0
