from ml_platform.lineage.users import find_users
from ml_platform_tests.lineage.made_lake import DAYS


def test_models_come_with_their_verdict_and_who_serves(shop):
    users = find_users(shop.lake, [shop.raw[DAYS[0]]])
    told = [(m.version, m.training_date, m.verdict, m.serves, m.served, m.scored_rows) for m in users.models]
    assert told == [
        (shop.first.id, "2024-02-01", "promoted", True, True, 2),
        (shop.second.id, "2024-02-02", "held", False, False, 0),
    ]
    assert [str(m.decided_at)[:10] for m in users.models] == ["2024-02-01", "2024-02-02"]


def test_a_model_that_was_never_judged_is_found_too(shop):
    third = shop.train("2024-02-03")
    users = find_users(shop.lake, [shop.customers])
    (found,) = (m for m in users.models if m.version == third.id)
    assert (found.verdict, found.decided_at, found.serves, found.served) == (None, None, False, False)


def test_one_that_served_before_comes_before_those_that_never_did(shop):
    shop.judge((shop.first, "promoted"), (shop.second, "promoted"))
    users = find_users(shop.lake, [shop.customers])
    assert [(m.version, m.serves, m.served) for m in users.models] == [(shop.second.id, True, True), (shop.first.id, False, True)]


def test_what_knows_of_it_only_through_a_model_is_told_apart(shop):
    """The scores of the second day read the first day's orders in no other way than through the model."""
    users = find_users(shop.lake, [shop.orders[DAYS[0]]])
    through = {(u.table.split("/", 1)[1], u.partition): u.through_model for u in users.versions}
    assert through == {
        ("features/spend__customer", DAYS[0]): False,
        ("training/churn", "2024-02-01"): False,
        ("training/churn", "2024-02-02"): False,
        ("selected/churn", "2024-02-01"): False,
        ("selected/churn", "2024-02-02"): False,
        ("champion/churn", None): True,
        ("predictions/churn", DAYS[0]): False,
        ("predictions/churn", DAYS[1]): True,
    }


def test_history_is_listed_and_told_from_what_a_reader_gets(shop):
    before = shop.predictions[DAYS[0]]
    shop.first = shop.second
    after = shop.predict(DAYS[0])
    users = find_users(shop.lake, [shop.features[DAYS[0]]])
    days = {u.version: u.readable for u in users.versions if u.table == "shop/predictions/churn" and u.partition == DAYS[0]}
    assert days == {before.id: False, after.id: True}
    assert {m.version: m.scored_rows for m in users.models}[shop.second.id] == 1


def test_what_nothing_was_made_from_has_no_users(shop):
    users = find_users(shop.lake, [shop.predictions[DAYS[0]]])
    assert (users.models, users.versions) == ((), ())
