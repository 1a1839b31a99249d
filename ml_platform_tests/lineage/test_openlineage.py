import json
import uuid
from pathlib import Path

import pytest
from openlineage.client.serde import Serde

from ml_platform.lineage.closure import lineage_of
from ml_platform.lineage.openlineage import Names, as_values, run_events
from ml_platform_tests.lineage.made_lake import AMOUNT, DAYS, FEATURES, RUN, SINCE

LANDING = Path("/srv/landing")


def lived(shop):
    return run_events(shop.lake, lineage_of(shop.lake, [shop.predictions[DAYS[1]]]), Names("lakes", shop.lake._opened.root, LANDING))


@pytest.fixture
def events(shop):
    return as_values(lived(shop))


def event(events, job):
    (found,) = (e for e in events if e["job"]["name"] == job)
    return found


def facets_of(events, job, table):
    (dataset,) = (d for d in event(events, job)["outputs"] if d["name"] == table)
    return {**dataset["facets"], **dataset["outputFacets"]}


def test_every_facet_is_of_the_clients_own_class_and_of_this_program(shop):
    """Their constructors take no other field; the client writes their schemas."""
    for event in lived(shop):
        facets = [*event.run.facets.values(), *event.job.facets.values()]
        facets += [f for d in event.inputs for f in (*d.facets.values(), *d.inputFacets.values())]
        facets += [f for d in event.outputs for f in (*d.facets.values(), *d.outputFacets.values())]
        assert {type(f).__module__.partition(".generated")[0] for f in facets} == {"openlineage.client"}
        written = [Serde.to_dict(facet) for facet in facets]
        assert {w["_producer"].rpartition(":")[0] for w in written} == {"urn:ml-platform"}
        assert [w["_schemaURL"] for w in written] == [f._get_schema() for f in facets]


def test_what_is_written_is_json(shop, events):
    assert json.loads(json.dumps(events)) == [json.loads(Serde.to_json(event)) for event in lived(shop)]
    assert "non-serializable" not in json.dumps(events)


def test_one_complete_event_per_commit_of_the_closure(shop, events):
    commits = {v.commit for v in shop.lake.lineage.closure([shop.predictions[DAYS[1]]])}
    assert [e["run"]["facets"]["mlPlatform_commit"]["number"] for e in events] == sorted(commits)
    assert {e["eventType"] for e in events} == {"COMPLETE"}
    assert {e["schemaURL"] for e in events} == {"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
    assert len({e["run"]["runId"] for e in events}) == len(events)
    assert {e["run"]["facets"]["parent"]["run"]["runId"] for e in events} == {RUN}
    assert events[-1]["job"]["name"] == "shop/predictions/churn"


def test_writing_it_again_gives_the_same_events(shop, events):
    assert as_values(lived(shop)) == events
    assert all(uuid.UUID(e["run"]["runId"]).version == 5 for e in events)


def test_landing_files_are_datasets_with_their_digest_and_size(events):
    landed = event(events, "shop/raw/orders")["inputs"]
    assert [d["name"] for d in landed] == [f"/srv/landing/orders/{n}.csv" for n in ("2024-01-01", "2024-01-02", "2024-01-02-b")]
    assert {d["namespace"] for d in landed} == {"file"}
    assert landed[2]["facets"]["version"]["datasetVersion"] == f"sha256:{'12' * 32}"
    assert landed[2]["inputFacets"]["inputStatistics"]["size"] == 122


def test_without_a_landing_zone_files_keep_the_names_they_have_in_the_lake(shop):
    events = as_values(run_events(shop.lake, lineage_of(shop.lake, [shop.raw[DAYS[0]]]), Names("lakes", shop.lake._opened.root)))
    assert [(d["namespace"], d["name"]) for d in events[0]["inputs"]] == [("lakes.landing", "orders/2024-01-01.csv")]


def test_an_output_says_which_partitions_which_version_and_how_much(shop, events):
    facets = facets_of(events, "shop/tables/orders", "shop/tables/orders")
    assert facets["version"]["datasetVersion"] == "2"
    assert facets["subset"]["outputCondition"]["partitions"] == [
        {"dimensions": {"partition": day}, "identifier": str(shop.orders[day].id)} for day in DAYS
    ]
    assert (facets["outputStatistics"]["rowCount"], facets["outputStatistics"]["fileCount"]) == (4, 2)
    assert {f["name"]: f["type"] for f in facets["schema"]["fields"]}["amount"] == "double"
    # What the commit published besides, and this lineage does not hold.
    assert [d["name"] for d in event(events, "shop/tables/orders")["outputs"]] == ["shop/tables/orders"]
    assert event(events, "shop/tables/orders")["job"]["facets"]["mlPlatform_code"]["codeVersions"] == ["typed"]


def test_an_input_is_the_version_that_its_own_event_wrote(events):
    (read,) = (d for d in event(events, "shop/models/churn")["inputs"] if d["name"] == "shop/training/churn")
    assert read["facets"]["version"] == facets_of(events, "shop/training/churn", "shop/training/churn")["version"]
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 1


def test_columns_are_followed_from_score_to_delivered_column(events):
    score = facets_of(events, "shop/predictions/churn", "shop/predictions/churn")["columnLineage"]["fields"]["_score"]["inputFields"]
    assert ("shop/features/spend__customer", AMOUNT.stored_name) in [(f["name"], f["field"]) for f in score]
    spend = [e for e in events if e["job"]["name"] == "shop/features/spend__customer"][-1]["outputs"][0]["facets"]["columnLineage"][
        "fields"
    ]
    first = spend[AMOUNT.stored_name]["inputFields"][0]
    assert (first["name"], first["field"], first["transformations"][0]["type"]) == ("shop/tables/orders", "amount", "DIRECT")
    assert {f["transformations"][0]["type"] for f in spend[SINCE.stored_name]["inputFields"]} == {"INDIRECT"}
    typed = facets_of(events, "shop/tables/orders", "shop/tables/orders")["columnLineage"]["fields"]["amount"]["inputFields"]
    assert [(f["name"], f["field"]) for f in typed] == [("shop/raw/orders", "amount")]


def test_a_model_names_the_columns_it_learnt_from(events):
    learnt = facets_of(events, "shop/models/churn", "shop/models/churn")["columnLineage"]
    assert [(f["name"], f["field"]) for f in learnt["dataset"]] == [("shop/training/churn", d.name) for d in FEATURES]
    assert learnt["fields"] == {}
