"""What every operator promises, checked on every operator that the package holds."""

from __future__ import annotations

import copy
import inspect
import json
import re
import sys
from contextlib import contextmanager

import pytest

from airflow_mlops.spec import ModelSpec
from tests.chain import NOW, STAGES, Chain, found_operators
from tests.conftest import ROOT

OPERATORS = found_operators()
# Stages that record nothing where there is nothing to say.
QUIET = {"reconcile", "notify"}
# What a stage records where that is not its own word.
KINDS = {"approve": "approval", "decide": "decision", "reproduce": "reproduction"}
each_stage = pytest.mark.parametrize("stage", STAGES)

# One hook for the whole process: Python has no way to take an audit hook out again.
_SEEN: list[str] | None = None
_WORK = ("open", "socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "sqlite3.")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _SEEN is not None and event.startswith(_WORK):
        _SEEN.append(f"{event} {arguments[:1]}")


sys.addaudithook(_watch)


@contextmanager
def watched():
    """Collect everything that touches files, sockets or processes."""
    global _SEEN
    _SEEN = seen = []
    try:
        yield seen
    finally:
        _SEEN = None


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """An empty place for all stages, with MLflow on SQLite."""
    chain = Chain(tmp_path_factory.mktemp("contract"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in chain.environment.items():
            patch.setenv(name, value)
        yield chain


@pytest.fixture(scope="module")
def twice(chain):
    """Run each stage two times in a row on the same input; return both results by stage."""
    both = {}
    for stage in STAGES:
        chain.run(stage, run_id="manual__1")
        # A request belongs to its run: another run is another request.
        again = "manual__1" if stage == "request" else "manual__2"
        second = chain.operator(stage).execute({"run_id": again})
        both[stage] = chain.results[stage], second
    return both


def test_there_is_one_operator_for_each_word():
    assert set(OPERATORS) == set(STAGES)
    assert {f"{stage.title()}Operator" for stage in STAGES} == {found.__name__ for found in OPERATORS.values()}


@each_stage
def test_a_constructor_does_no_work(stage, tmp_path):
    chain = Chain(tmp_path)
    chain.operator(stage)  # imports happen now

    with watched() as seen:
        chain.operator(stage)

    assert seen == []


@each_stage
def test_a_constructor_keeps_its_arguments_as_they_are(stage, tmp_path):
    templates = dict.fromkeys(Chain(tmp_path).inputs(stage), "{{ ti.xcom_pull('before') }}")

    operator = Chain(tmp_path).operator(stage, **templates)

    assert {name: getattr(operator, name) for name in templates} == templates


@each_stage
def test_template_fields_are_attributes(stage, tmp_path):
    operator = Chain(tmp_path).operator(stage)

    assert [name for name in operator.template_fields if not hasattr(operator, name)] == []
    assert {"now", "artifacts_uri", *Chain(tmp_path).inputs(stage)} <= set(operator.template_fields)


@each_stage
def test_the_docstring_names_each_parameter(stage):
    operator = OPERATORS[stage]
    documented = "".join(
        parent.__doc__ or "" for parent in operator.__mro__ if parent.__module__.startswith("airflow_mlops")
    )
    parameters = {
        name
        for parent in operator.__mro__
        if parent.__module__.startswith("airflow_mlops")
        for name, parameter in inspect.signature(parent.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }

    assert [
        name for name in sorted(parameters) if not re.search(rf"^\s*([\w, ]+, )?{name}\b.*:", documented, re.M)
    ] == []


@each_stage
def test_the_spec_may_be_a_model_or_a_path(stage, tmp_path):
    path = ROOT / "dags" / "specs" / "flights.yaml"
    read = Chain(tmp_path).operator(stage, spec=str(path)).model_spec

    given = ModelSpec.model_validate_json(read.model_dump_json(by_alias=True))

    assert Chain(tmp_path).operator(stage, spec=given).model_spec.model_dump() == read.model_dump()


@each_stage
def test_an_operator_can_be_copied_as_airflow_copies_it(stage, tmp_path):
    operator = Chain(tmp_path).operator(stage)

    assert copy.deepcopy(operator).spec == operator.spec


@each_stage
def test_the_result_is_small_json(twice, stage):
    result, _ = twice[stage]

    assert json.loads(json.dumps(result)) == result
    assert len(json.dumps(result)) < 20_000


@each_stage
def test_a_second_run_gives_the_same_result(twice, stage):
    first, second = twice[stage]

    assert _without_runs(second) == _without_runs(first)


@each_stage
def test_a_second_run_records_nothing_new(twice, chain, stage):
    events = chain.ledger.events("flights", kind=KINDS.get(stage, stage))

    assert {event.run for event in events} == (set() if stage in QUIET else {"manual__1"})
    assert len({event.key for event in events}) == len(events)


def test_events_stand_at_the_moment_of_the_run_and_not_of_the_clock(twice, chain):
    assert {event.at.isoformat() for event in chain.ledger.events("flights")} == {NOW}


def test_running_the_whole_life_again_leaves_one_version_and_one_promotion(twice, chain):
    chain.run_all(run_id="manual__3")

    assert [(event.epoch, event.run) for event in chain.ledger.events("flights", kind="promotion")] == [
        (1, "manual__1")
    ]
    assert list(chain.ledger.state("flights").versions) == ["1"]
    assert chain.ledger.verify("flights") > 0


def _without_runs(result):
    """Leave out which run came first: that is all that may differ."""
    if isinstance(result, dict):
        return {name: _without_runs(value) for name, value in result.items() if name not in ("same_as", "promoted")}
    return [_without_runs(item) for item in result] if isinstance(result, list) else result
