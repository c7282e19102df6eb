"""What MLflow's own pages show of the runs: kind of experiment, metrics, descriptions."""

from __future__ import annotations

import json
import os

import mlflow
from mlflow.tracking import MlflowClient

from tests.conftest import SMALL, RunStep, all_runs, children

KIND = "mlflow.experimentKind"
NOTE = "mlflow.note.content"


def kind_of_experiment() -> object:
    experiment = MlflowClient().get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    assert experiment is not None
    return dict(experiment.tags).get(KIND)


def test_an_experiment_is_marked_as_model_training(any_store: str, run_step: RunStep) -> None:
    assert run_step("preprocess").code == 0
    assert kind_of_experiment() == "custom_model_development"


def test_a_kind_that_somebody_chose_stays(run_step: RunStep) -> None:
    chosen = mlflow.create_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
    MlflowClient().set_experiment_tag(chosen, KIND, "regression")
    assert run_step("preprocess").code == 0
    assert kind_of_experiment() == "regression"


def test_main_sums_up_its_steps(run_step: RunStep) -> None:
    ended = run_step("main", **{**SMALL, "report": "true"})
    assert ended.run.info.run_name == "main: n_estimators=2, max_depth=2"
    prepared, trained, scored = (
        all_runs(step)[0] for step in ("preprocess", "train", "batch_score")
    )
    metrics = ended.run.data.metrics
    for step, name in ((prepared, "rows"), (trained, "test_roc_auc_low"), (scored, "rows_scored")):
        assert metrics[name] == step.data.metrics[name]
    assert {"drift.max_psi", "scored_roc_auc", "best_cv_score"} <= metrics.keys()
    assert len(metrics) <= 50
    assert not any(name.startswith(("training_", "search_", "missing.")) for name in metrics)
    note = ended.run.data.tags[NOTE]
    for name, step in (("preprocess", prepared), ("train", trained), ("batch_score", scored)):
        assert f"[{name}](#/experiments/{step.info.experiment_id}/runs/{step.info.run_id}?" in note
    assert note.endswith(trained.data.tags[NOTE])


def test_a_train_run_is_described(run_step: RunStep) -> None:
    ended = run_step("train", **{**SMALL, "report": "true"})
    note = ended.run.data.tags[NOTE]
    assert "**Random forest** (`max_depth=2, n_estimators=2`) predicts `Outcome = 1`" in note
    assert "576 rows of `diabetes.csv`" in note
    metrics = ended.run.data.metrics
    low, high = metrics["test_roc_auc_low"], metrics["test_roc_auc_high"]
    assert f"| ROC AUC | {metrics['test_roc_auc']:.3f} | {low:.3f} to {high:.3f} |" in note
    assert f"[Report](#/experiments/{ended.run.info.experiment_id}/runs/{ended.id}/artif" in note
    assert f"/runs/{ended.run.data.tags['step.upstream_run_id']}?" in note
    assert len(note) <= 1200


def test_without_a_report_there_is_no_link_to_one(run_step: RunStep) -> None:
    assert "report.html" not in run_step("train", **SMALL).run.data.tags[NOTE]


def test_the_training_data_have_a_name_and_a_source(run_step: RunStep) -> None:
    (logged,) = run_step("train", **SMALL).run.inputs.dataset_inputs
    assert logged.dataset.name == "diabetes.csv"
    assert json.loads(logged.dataset.source) == {"uri": "data/diabetes.csv"}


def test_a_child_run_says_first_what_differs_and_how_it_scored(run_step: RunStep) -> None:
    ended = run_step("train", **{**SMALL, "metric": "f1"})
    (child,) = (run for run in children(ended.run) if "step.candidate" in run.data.tags)
    metrics = child.data.metrics
    mean, deviation = metrics["mean_test_f1"], metrics["std_test_f1"]
    start = f"**max_depth=2, n_estimators=2**: F1 {mean:.3f} ± {deviation:.3f}, ROC AUC "
    assert child.data.tags[NOTE].startswith(start)
    own = {name for name in child.data.tags if not name.startswith("mlflow.")}
    assert own == {
        *("step.candidate", "step.candidate_of", "step.candidate.folds"),
        *("estimator_name", "estimator_class"),
    }
