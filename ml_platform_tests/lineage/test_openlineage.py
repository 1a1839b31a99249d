"""The events are read back with the stock client's own classes: what those cannot hold, or name otherwise, fails here."""

import json
import typing
import uuid
from pathlib import Path
from types import NoneType, UnionType

import attr
import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

from ml_platform.lineage.closure import lineage_of
from ml_platform.lineage.openlineage import Names, run_events
from ml_platform_tests.lineage.made_lake import AMOUNT, DAYS, FEATURES, RUN, SINCE

LANDING = Path("/srv/landing")
FACETS = {
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "parent": facet_v2.parent_run.ParentRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "dataSource": facet_v2.datasource_dataset.DatasourceDatasetFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "symlinks": facet_v2.symlinks_dataset.SymlinksDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
    "inputStatistics": facet_v2.input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "mlPlatform_commit": facet_v2.RunFacet,
    "mlPlatform_code": facet_v2.JobFacet,
}
SUBSETS = {
    "inputFacets": facet_v2.base_subset_dataset.InputSubsetInputDatasetFacet,
    "outputFacets": facet_v2.base_subset_dataset.OutputSubsetOutputDatasetFacet,
}


def built(cls, value):
    """Return ``value`` (JSON) as an object of the client's class; an unknown or missing field is an error of its constructor."""
    if value is None or not attr.has(cls):
        return value
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in attr.fields(cls)}
    given = {}
    for name, content in value.items():
        if name in ("_producer", "_schemaURL", "schemaURL"):
            continue
        assert name in fields, f"{cls.__name__} has no field {name!r}"
        given[name.lstrip("_")] = built_as(hints[name], content)
    return cls(**given)


def built_as(hint, content):
    options = [o for o in typing.get_args(hint) if o is not NoneType] if typing.get_origin(hint) in (typing.Union, UnionType) else [hint]
    if len(options) > 1 and isinstance(content, dict):
        options = [o for o in options if attr.has(o) and set(content) <= {f.name for f in attr.fields(o)}]
    option = options[0]
    if typing.get_origin(option) is list:
        return [built_as(typing.get_args(option)[0], one) for one in content]
    if typing.get_origin(option) is dict:
        return {key: built_as(typing.get_args(option)[1], one) for key, one in content.items()}
    return built(option, content)


def built_facets(facets, place):
    found = {}
    for name, content in facets.items():
        cls = SUBSETS[place] if name == "subset" else FACETS[name]
        assert content["_schemaURL"] == cls._get_schema(), name
        if name.startswith("mlPlatform_"):
            extra = {k: v for k, v in content.items() if not k.startswith("_")}
            found[name] = cls().with_additional_properties(**extra)
        else:
            found[name] = built(cls, content)
    return found


def built_dataset(cls, plain, own):
    facets = built_facets(plain["facets"], "facets")
    return cls(plain["namespace"], plain["name"], built_facets(plain[own], own), facets=facets)


def built_event(plain):
    run, job = plain["run"], plain["job"]
    return event_v2.RunEvent(
        eventTime=plain["eventTime"],
        producer=plain["producer"],
        eventType=event_v2.RunState[plain["eventType"]],
        run=event_v2.Run(run["runId"], built_facets(run["facets"], "facets")),
        job=event_v2.Job(job["namespace"], job["name"], built_facets(job["facets"], "facets")),
        inputs=[built_dataset(event_v2.InputDataset, d, "inputFacets") for d in plain["inputs"]],
        outputs=[built_dataset(event_v2.OutputDataset, d, "outputFacets") for d in plain["outputs"]],
    )


def without_empty(value):
    """Drop what the client writes for fields that were not given, and its own name as the producer of every facet."""
    if isinstance(value, dict):
        kept = {k: without_empty(v) for k, v in value.items() if k not in ("_producer", "_deleted")}
        return {k: v for k, v in kept.items() if v not in (None, [], {})}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


@pytest.fixture
def events(shop):
    return run_events(shop.lake, lineage_of(shop.lake, [shop.predictions[DAYS[1]]]), Names("lakes", shop.lake._opened.root, LANDING))


def event(events, job):
    (found,) = (e for e in events if e["job"]["name"] == job)
    return found


def facets_of(events, job, table):
    (dataset,) = (d for d in event(events, job)["outputs"] if d["name"] == table)
    return {**dataset["facets"], **dataset["outputFacets"]}


def test_the_stock_client_reads_and_writes_every_event_as_it_is(events):
    for plain in events:
        again = Serde.to_dict(built_event(json.loads(json.dumps(plain))))
        assert without_empty(again) == without_empty(plain)


def test_one_complete_event_per_commit_of_the_closure(shop, events):
    commits = {v.commit for v in shop.lake.lineage.closure([shop.predictions[DAYS[1]]])}
    assert [e["run"]["facets"]["mlPlatform_commit"]["number"] for e in events] == sorted(commits)
    assert {e["eventType"] for e in events} == {"COMPLETE"}
    assert {e["schemaURL"] for e in events} == {"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
    assert len({e["run"]["runId"] for e in events}) == len(events)
    assert {e["run"]["facets"]["parent"]["run"]["runId"] for e in events} == {RUN}
    assert events[-1]["job"]["name"] == "shop/predictions/churn"


def test_writing_it_again_gives_the_same_events(shop, events):
    again = run_events(shop.lake, lineage_of(shop.lake, [shop.predictions[DAYS[1]]]), Names("lakes", shop.lake._opened.root, LANDING))
    assert again == events
    assert all(uuid.UUID(e["run"]["runId"]).version == 5 for e in events)


def test_landing_files_are_datasets_with_their_digest_and_size(events):
    landed = event(events, "shop/raw/orders")["inputs"]
    assert [d["name"] for d in landed] == [f"/srv/landing/orders/{n}.csv" for n in ("2024-01-01", "2024-01-02", "2024-01-02-b")]
    assert {d["namespace"] for d in landed} == {"file"}
    assert landed[2]["facets"]["version"]["datasetVersion"] == f"sha256:{'12' * 32}"
    assert landed[2]["inputFacets"]["inputStatistics"]["size"] == 122


def test_without_a_landing_zone_files_keep_the_names_they_have_in_the_lake(shop):
    events = run_events(shop.lake, lineage_of(shop.lake, [shop.raw[DAYS[0]]]), Names("lakes", shop.lake._opened.root))
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
