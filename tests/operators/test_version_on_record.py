"""What is on record of a version is enough to write its card, and to make it a second time."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from airflow_mlops.artifacts import ArtifactStore, digest_bytes
from airflow_mlops.cli import main
from airflow_mlops.dag_factory.reproduce import reproduce_dag
from airflow_mlops.errors import ReproductionDiffers, ReproductionImpossible
from airflow_mlops.lifecycle.card import card_of, compose, gather, refresh_card
from airflow_mlops.lifecycle.reproduce import Reproducer
from airflow_mlops.lifecycle.weighing import Plan, Weighing
from airflow_mlops.refs import ModelRef
from airflow_mlops.report_access import readable_uri
from airflow_mlops.spec import ModelSpec
from tests.chain import NOW, Chain, ten_days


def drawing() -> ModelSpec:
    """Return a spec whose estimator draws, so that its seed matters, and which takes a sensitive column."""
    spec = ten_days()
    plain = spec.model_dump(mode="json", by_alias=True)
    plain["train"].update(params={"max_iter": 20, "max_leaf_nodes": 15, "max_features": 0.5}, seed=1)
    plain["data"]["sensitive"] = ["origin"]
    plain["features"]["sensitive"] = {"origin": "flights of one airport meet the same weather"}
    plain["evaluate"]["slices"] = ["carrier"]
    plain["evaluate"]["gate"]["cost"] = None
    changed = ModelSpec.model_validate(plain)
    changed._base_dir = spec.base_dir
    return changed


@pytest.fixture(scope="module")
def trained(tmp_path_factory, fresh_mlflow_db):
    """One version, from its rows to MLflow's registry; tests that change something take a copy."""
    chain = Chain(tmp_path_factory.mktemp("recorded"), drawing())
    shutil.copy(fresh_mlflow_db, chain.folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in chain.environment.items():
            patch.setenv(name, value)
        chain.run("ingest")
        _profile(chain)
        for stage in ("features", "train", "evaluate", "register"):
            chain.run(stage)
        yield chain


def _profile(chain: Chain) -> None:
    """Leave what *validate* leaves beside a snapshot, without the seconds that Great Expectations takes."""
    from airflow_mlops.stages.validate import facts_of

    store, snapshot = ArtifactStore.local(chain.folder / "artifacts"), chain.results["ingest"]
    table = store.read_table(f"{snapshot['uri']}/data.parquet")
    store.write_json(f"{snapshot['uri']}/facts.json", facts_of(table, chain.spec))


@pytest.fixture(scope="module")
def store(trained):
    return ArtifactStore.local(trained.folder / "artifacts")


@pytest.fixture
def copied(trained, store):
    """Folders of the store as they were, after a test has changed them."""
    root = trained.folder / "artifacts"
    kept = trained.folder / "kept"
    shutil.copytree(root, kept)
    yield root
    shutil.rmtree(root)
    kept.rename(root)


# The card


def test_the_card_says_what_the_version_is_and_was_made_of(trained, store):
    card = card_of(store, trained.ledger, "flights", "1")

    features, model = trained.results["features"], trained.results["train"]
    for told in (
        "# flights: version 1\n",
        "| owner | airline-science |",
        "Will a flight out of New York arrive more than 15 minutes late?",
        model["digest"],
        features["training_set"],
        features["snapshots"][0]["digest"],
        "| seed | 1 |",
        '"max_features": 0.5',
        "| scikit-learn |",
        "It is the first: nothing served before.",
        "No answer is recorded.",
        "| origin | yes | flights of one airport meet the same weather |",
    ):
        assert told in card.markdown


def test_the_card_shows_what_was_seen_in_training_but_nothing_sensitive(trained, store):
    card = card_of(store, trained.ledger, "flights", "1")

    assert "| distance | double | " in card.markdown or "| distance | int64 | " in card.markdown
    assert "| origin |  | sensitive, not shown |" in card.markdown
    for text in (card.markdown, card.html, card.short):
        assert not {"JFK", "EWR", "LGA"} & set(text.replace(",", " ").split())


@pytest.mark.parametrize(("guard", "has_picture"), [("origin = JFK", False), ("carrier = UA", True)])
def test_a_picture_that_names_a_sensitive_value_is_no_part_of_the_card(trained, store, guard, has_picture):
    model = ModelRef.from_dict(trained.results["register"])
    facts = gather(store, trained.ledger, "flights", model)
    judged = facts.subject.judgement
    checks = [{**judged.checks[0], "name": f"guard: {guard}", "sentence": ""}]
    told = replace(judged, report={**judged.report, "gate": {"checks": checks}})

    card = compose(store, replace(facts, subject=replace(facts.subject, judgement=told)))

    assert ("data:image/svg+xml" in card.html) is has_picture


def test_the_card_is_one_page_without_network_that_readers_of_the_dag_may_open(trained, store):
    event = trained.ledger.find("flights", "register", trained.results["register"]["digest"])
    uri = f"{event.payload['card']}/card.html"
    page = store.read_bytes(uri).decode()
    operator = trained.operator("register")

    assert page.startswith("<!doctype html>")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "<script" not in page
    store.write_json(store.uri("flights", "readers", "flights_retrain.json"), {})
    assert readable_uri(store, "flights_retrain", store.path(uri)[len(store.root) + 1 :]) == uri
    assert "Model card" in [link.name for link in operator.operator_extra_links]


def test_mlflow_has_the_card_within_its_bounds(trained, store):
    from mlflow import MlflowClient

    address = f"sqlite:///{trained.folder / 'mlflow.db'}"
    client = MlflowClient(address, address)
    described = client.get_model_version("flights", "1").description
    run = trained.results["register"]["mlflow_run_id"]

    assert described.startswith("# flights: version 1\n\nModel ")
    assert "## Verdict" in described
    assert len(described) <= 5000
    assert {"model_card.md", "model_card.html"} <= {item.path for item in client.list_artifacts(run)}


def test_made_again_the_card_is_the_same_and_after_an_approval_it_says_so(trained, store, copied):
    model, ledger = ModelRef.from_dict(trained.results["register"]), trained.ledger
    first = refresh_card(store, ledger, "flights", model)
    assert refresh_card(store, ledger, "flights", model) == first
    assert first.uri == ledger.find("flights", "register", model.digest).payload["card"]

    answer = {
        "version": "1",
        "answer": "approved",
        "by": ["anna"],
        "reason": "winter is over",
        "risks": ["first_version"],
    }
    at = trained.operator("register").moment
    ledger.append("flights", "approval", "1:e", answer, at=at)
    second = refresh_card(store, ledger, "flights", model)

    assert "Approved (anna): winter is over" in second.markdown
    assert second.uri != first.uri
    assert store.exists(first.uri)


def test_killed_before_its_manifest_the_card_is_written_again(trained, store, copied):
    model = ModelRef.from_dict(trained.results["register"])
    card = refresh_card(store, trained.ledger, "flights", model)
    store.delete(f"{card.uri}/manifest.json")
    store.delete(f"{card.uri}/card.html")

    assert refresh_card(store, trained.ledger, "flights", model) == card
    assert store.read_bytes(card.html_uri).decode() == card.html


def test_of_an_adopted_version_it_is_said_what_is_not_known(trained, store, copied):
    at = trained.operator("register").moment
    trained.ledger.append("flights", "register", "adopted", {"version": "7"}, at=at)

    card = card_of(store, trained.ledger, "flights", "7")

    assert "| estimator | not known |" in card.markdown
    assert "Nothing is recorded of how it was judged." in card.markdown
    assert "no spec was kept with this version" in card.markdown


# Its second training


def test_trained_again_from_what_was_recorded_it_is_the_same_in_every_byte(trained, store):
    ref = trained.operator("reproduce", version="1").execute({"run_id": "manual__1"})

    assert (ref["verdict"], ref["largest_difference"], ref["first_difference"]) == ("same", 0.0, None)
    assert "is the same in every byte: 20 golden and " in ref["sentence"]
    again = trained.operator("reproduce", version="1").execute({"run_id": "manual__2"})
    assert again == ref
    [event] = trained.ledger.events("flights", kind="reproduction")
    assert (event.run, event.at.isoformat(), event.payload["version"]) == ("manual__1", NOW, "1")


def respecified(store, change):
    """Change the spec that was kept with the model, as if it had been kept so."""
    [manifest] = (path for path in store.fs.glob(f"{store.root}/flights/models/*/manifest.json"))
    uri = f"file://{manifest}"
    kept = store.read_json(uri)
    spec = json.loads(kept["spec"])
    change(spec)
    text = json.dumps(spec)
    store.write_json(uri, {**kept, "spec": text, "spec_digest": digest_bytes(text.encode())})


def test_another_seed_is_found_different_and_fails_the_task(trained, store, copied):
    respecified(store, lambda spec: spec["train"].update(seed=2))

    with pytest.raises(ReproductionDiffers, match=r"predicts something else .* largest difference 0\.\d+.* its model"):
        trained.operator("reproduce", version="1").execute({"run_id": "manual__1"})

    [event] = trained.ledger.events("flights", kind="reproduction")[-1:]
    assert (event.payload["verdict"], event.payload["differs"]) == ("different", ["model", "predictions"])


def test_a_column_that_is_made_otherwise_is_the_first_that_differs(trained, store, copied):
    respecified(store, lambda spec: spec["features"]["derive"].update(dep_hour="sched_dep_time // 200"))

    _, found = Reproducer(store, trained.ledger).reproduce("flights", "1")

    assert found.differs[0] == "features"


def test_a_changed_snapshot_is_named_and_nothing_is_said_of_the_version(trained, store, copied):
    snapshot = trained.results["ingest"]
    path = store.path(f"{snapshot['uri']}/data.parquet")
    with open(path, "ab") as file:
        file.write(b"x")

    with pytest.raises(ReproductionImpossible, match=f"version 1 of flights cannot.*{snapshot['id']}.* was changed"):
        Reproducer(store, trained.ledger).reproduce("flights", "1")


def test_a_version_that_is_not_there_is_named_with_those_that_are(trained, store):
    with pytest.raises(ReproductionImpossible, match="knows no version 9 of flights; it knows 1"):
        Reproducer(store, trained.ledger).reproduce("flights", "9")


def test_without_a_kept_spec_one_has_to_be_given(trained, store, copied):
    [manifest] = store.fs.glob(f"{store.root}/flights/models/*/manifest.json")
    kept = store.read_json(f"file://{manifest}")
    store.write_json(f"file://{manifest}", {key: value for key, value in kept.items() if not key.startswith("spec")})

    with pytest.raises(ReproductionImpossible, match=r"no spec was kept .* give the spec as it was then with --spec"):
        Reproducer(store, trained.ledger).reproduce("flights", "1")
    _, found = Reproducer(store, trained.ledger, trained.spec).reproduce("flights", "1")
    assert (found.verdict, found.spec) == ("same", "given")


def test_its_dag_runs_by_the_clock_of_the_spec_or_by_hand(trained):
    every_month = trained.spec.reproduce.model_copy(update={"schedule": "0 4 1 * *"})
    by_clock = reproduce_dag(trained.spec.model_copy(update={"reproduce": every_month}))

    assert (by_clock.dag_id, by_clock.task_ids) == ("flights_reproduce", ["reproduce"])
    assert by_clock.schedule is not None
    assert reproduce_dag(trained.spec).schedule is None


# Of several versions


@pytest.fixture
def committee(trained, store, copied):
    """Put the version together with one of another seed, and register both as version 2."""
    plain = trained.spec.model_dump(mode="json", by_alias=True)
    plain["train"]["seed"] = 2
    other = trained.operator("train", spec=ModelSpec.model_validate(plain)).execute({"run_id": "manual__2"})
    first, at = trained.results["train"], trained.operator("train").moment
    weighing = Weighing(trained.spec, store, trained.ledger, at)
    made = weighing.make(Plan({first["id"]: 0.75, other["id"]: 0.25}, 0.1, (0, 1)), reason="two see more than one")
    trained.ledger.append("flights", "register", made.digest, {**made.to_dict(), "version": "2"}, at=at)
    return made


def test_a_committee_is_trained_again_member_by_member(trained, store, committee):
    version, found = Reproducer(store, trained.ledger).reproduce("flights", "2")

    assert (version, found.verdict, found.differs, found.largest_difference) == ("2", "same", (), 0.0)
    assert {name: each.verdict for name, each in found.members.items()} == dict.fromkeys(committee.members, "same")


def test_a_committee_says_which_members_answer(trained, store, committee):
    card = card_of(store, trained.ledger, "flights", "2")

    assert "## Who answers\n\n2 versions together" in card.markdown
    assert "| 1 | 75 % | 2013-01-11 05:00 | all |" in card.markdown
    assert "- two see more than one" in card.markdown
    assert "| form | committee of 2 |" in card.markdown


# By the command line


def places(trained):
    return ["--artifacts-uri", str(trained.folder / "artifacts"), "--ledger-conn-id", "mlops_ledger"]


def test_the_command_prints_the_card_or_writes_its_page(trained, store, capsys, tmp_path):
    assert main(["card", "flights", "1", *places(trained)]) == 0
    assert capsys.readouterr().out == card_of(store, trained.ledger, "flights", "1").markdown

    assert main(["card", "flights", "1", "--html", str(tmp_path / "card.html"), *places(trained)]) == 0
    assert (tmp_path / "card.html").read_text().startswith("<!doctype html>")
    assert main(["card", "flights", *places(trained)]) == 2
    assert "the ledger knows no version that serves of flights; it knows 1" in capsys.readouterr().err


def test_the_command_says_by_its_exit_code_whether_a_version_is_the_same(trained, store, copied, capsys):
    assert main(["reproduce", "flights", "1", "--json", *places(trained)]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "same"
    respecified(store, lambda spec: spec["train"].update(seed=2))
    assert main(["reproduce", "flights", "1", *places(trained)]) == 1
    assert "predicts something else" in capsys.readouterr().out
    assert main(["reproduce", "flights", "9", *places(trained)]) == 2
