"""Random lives of a lake beside a model in plain dicts: what is readable returns exactly what was written, under any filter."""

import os
import random
import shutil
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ml_platform.core.errors import CollectedError, ConflictError
from ml_platform.lake.branching import branches
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger import commit_log, leases
from ml_platform.lake.ledger.leases import LEASE
from ml_platform.lake.ledger.ledger_tables import doomed
from ml_platform.lake.ledger.scope import Scope
from ml_platform.lake.retention.collecting import GRACE
from ml_platform.lake.retention.rules import MINIMUM_AGE, Rule
from ml_platform.sql.duck import connect
from ml_platform_tests.effort import examples

DAY = timedelta(days=1)
PEOPLE = ("ann", "bob", "cay")
TABLES = ("p/tables/a", "p/tables/b")
MODEL = "p/models/m"
RULES = (Rule("p/tables/a", versions=2), Rule("p/tables/b", timedelta(days=3)), Rule("p/models/*", timedelta(days=1), 1))
LEVELS = (
    pa.schema([("who", pa.string()), ("n", pa.int32())]),
    pa.schema([("who", pa.string()), ("n", pa.int64())]),
    pa.schema([("who", pa.string()), ("n", pa.int64()), ("extra", pa.string())]),
)
FILTERS = (
    ("n >= 3", lambda row: row["n"] is not None and row["n"] >= 3),
    ("n % 2 = 0", lambda row: row["n"] is not None and row["n"] % 2 == 0),
    ("who = 'ann'", lambda row: row["who"] == "ann"),
    ("who IS NULL", lambda row: row["who"] is None),
    ("n < 2 OR who > 'b'", lambda row: (row["n"] is not None and row["n"] < 2) or (row["who"] or "") > "b"),
    ("true", lambda row: True),
)
STEPS = 80
NUMBERS = st.integers(0, 10_000)
ROWS = st.lists(st.tuples(st.sampled_from([*PEOPLE, None]), st.integers(0, 5) | st.none()), max_size=4)


def pick(names, n):
    """Return the n-th of what there is, in order, from the start again if there are fewer."""
    names = names if isinstance(names, list) else sorted(names)
    return names[n % len(names)]


class Written:
    """What the model knows of one version."""

    def __init__(self, version, rows, time):
        self.id, self.table, self.partition, self.kind, self.branch = (
            version.id,
            version.table,
            version.partition,
            version.kind,
            version.branch,
        )
        self.rows, self.time, self.over, self.inputs = rows, time, None, ()


class Life(RuleBasedStateMachine):
    """One lake and one model of it; ``states[branch]`` is the list of (commit, {(table, partition): version id})."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="lake-life-")
        self.now = datetime.now(UTC)
        self.patch = pytest.MonkeyPatch()
        machine = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return machine.now

        for module in (commit_log, leases, branches):
            self.patch.setattr(module, "datetime", Clock)
        self.lake = Lake.open(os.path.join(self.folder, "lake"))
        self.written: dict[int, Written] = {}
        self.states = {"main": [(0, {})]}
        self.parents: dict[str, tuple[str, int]] = {}
        self.tags: dict[str, tuple[str, int]] = {}
        self.pins: dict[str, int] = {}
        self.runs: dict[str, dict] = {}
        self.staged: list = []
        self.gone: set[int] = set()
        self.level = 0
        self.count = 0
        self.con = connect(threads=1)

    def teardown(self):
        try:
            self.check_everything()
        finally:
            self.con.close()
            self.lake.close()
            self.patch.undo()
        shutil.rmtree(self.folder)

    # --- what the model says ---

    def state(self, branch, at=None):
        own = [(commit, state) for commit, state in self.states[branch] if at is None or commit <= at]
        if own:
            return own[-1][1]
        parent, _ = self.parents[branch]
        return self.state(parent, at)

    def record(self, commit, rows, branch):
        """Take over what a publication answered."""
        state = dict(self.state(branch))
        for version, written in zip(commit.versions, rows, strict=True):
            if version.reused:
                continue
            new = Written(version, written, self.time())
            for old in self.written.values():
                same = (old.table, old.partition, old.branch) == (new.table, new.partition, new.branch)
                if same and old.over is None and (new.kind != "rejected" or old.kind == "rejected"):
                    old.over = self.time()
            self.written[new.id] = new
            if new.kind != "rejected":
                state[new.table, new.partition] = new.id
        if commit.created:
            self.states[branch].append((commit.number, state))

    def time(self):
        """Commit times never go back, whatever the clock does."""
        return self.lake.versions.commits(1)[0].time

    def held(self):
        """Return every version that must be readable."""
        held = {i for branch in self.states for i in self.state(branch).values()}
        held |= {i for branch, (parent, at) in self.parents.items() if branch in self.states for i in self.state(parent, at).values()}
        held |= {i for branch, at in self.tags.values() if branch in self.states for i in self.state(branch, at).values()}
        held |= {i for run in self.runs.values() if run["expires"] > self.now for i in [*run["state"].values(), *run["own"]]}
        models = [i for i, w in self.written.items() if w.kind == "artifact" and i not in self.gone]
        surely = [i for i in models if i in held or not self.may_go(self.written[i])]
        return held | self.made_from(self.pins.values()) | (self.made_from(surely) - set(surely))

    def made_from(self, ids):
        """Return versions with all that they were made from."""
        found, waiting = set(), list(ids)
        while waiting:
            found.add(one := waiting.pop())
            waiting += self.written[one].inputs
        return found

    def perhaps_held_by_a_model(self):
        """Return what models were made from that still have their files, also of such as may go themselves."""
        return self.made_from(i for i, w in self.written.items() if w.kind == "artifact" and i not in self.gone)

    # --- what happens ---

    @initialize(rows=ROWS)
    def begin(self, rows):
        self.put(self.lake, "main", TABLES[0], "d1", rows)

    def content(self, rows):
        schema = LEVELS[self.level]
        full = [dict(zip(schema.names, (*row, "x"), strict=False)) for row in rows]
        return pa.Table.from_pylist(full, schema), full

    def put(self, lake, branch, table, partition, rows, kind="data", inputs=()):
        content, full = self.content(rows)
        commit = lake.writing.publish([lake.writing.stage(table, partition, content, kind=kind, inputs=inputs)])
        self.record(commit, [full], branch)
        if commit.created:
            self.written[commit.versions[0].id].inputs = tuple(inputs)
        return commit

    @rule(n=NUMBERS, rows=ROWS, table=st.sampled_from(TABLES), partition=st.sampled_from(["d1", "d2"]), rejected=st.integers(0, 5))
    def write(self, n, rows, table, partition, rejected):
        branch = pick(self.states, n)
        self.put(self.lake.on(branch), branch, table, partition, rows, "rejected" if rejected == 0 else "data")

    @rule(n=NUMBERS, contents=st.lists(ROWS, min_size=2, max_size=4), table=st.sampled_from(TABLES))
    def write_one_after_the_other(self, n, contents, table):
        branch = pick(["main", "main", *sorted(self.states)], n)
        for rows in contents:
            self.put(self.lake.on(branch), branch, table, "d1", rows)

    @rule(n=NUMBERS, at=NUMBERS)
    def write_again_what_was_there_once(self, n, at):
        branch = pick(self.states, n)
        old = self.written[pick([i for i, w in self.written.items() if w.kind != "artifact"], at)]
        rows = [(row["who"], row["n"]) for row in old.rows]
        self.put(self.lake.on(branch), branch, old.table, old.partition, rows, old.kind)

    @rule(n=NUMBERS, text=st.sampled_from([b"1", b"2"]))
    def train(self, n, text):
        branch = pick(self.states, n)
        inputs = [i for (table, _), i in self.state(branch).items() if table in TABLES]
        lake = self.lake.on(branch)
        commit = lake.writing.publish([lake.writing.stage_artifact(MODEL, None, {"f": text}, inputs=inputs)])
        self.record(commit, [text], branch)
        if commit.created:
            self.written[commit.versions[0].id].inputs = tuple(inputs)

    @rule()
    @precondition(lambda self: self.level < 2)
    def widen_the_schema(self):
        self.level += 1

    @rule(rows=ROWS)
    def stage_for_later(self, rows):
        content, full = self.content(rows)
        self.staged.append((self.lake.writing.stage(TABLES[0], "d1", content), full))

    @rule()
    @precondition(lambda self: self.staged)
    def publish_what_was_staged(self):
        staged, full = self.staged.pop()
        try:
            self.record(self.lake.writing.publish([staged]), [full], "main")
        except Exception as problem:
            assert "stage" in str(problem)  # noqa: PT017 - it may also be published

    @rule(n=NUMBERS, at=NUMBERS)
    def branch_off(self, n, at):
        if len(self.states) > 3:
            return
        parent = pick(self.states, n)
        at = None if at % 3 else 1 + at % self.lake.versions.newest_commit()
        # What is gone already cannot be inherited.
        if set(self.state(parent, at).values()) & self.gone:
            return
        self.count += 1
        name = f"b{self.count}"
        made = self.lake.on(parent).branches.create(name, at)
        self.parents[name] = (parent, made.base)
        self.states[name] = [(made.base, self.state(parent, made.base))]

    @rule(n=NUMBERS)
    @precondition(lambda self: len(self.states) > 1)
    def merge(self, n):
        branch = pick(set(self.states) - {"main"}, n)
        parent = self.parents[branch][0]
        try:
            done = self.lake.branches.merge(branch)
        except ConflictError:
            return
        if done.commit is not None:
            rows = [self.written[change.head.id].rows for change in done.merged]
            self.record(done.commit, rows, parent)
            for change in done.merged:
                assert self.state(branch)[change.table, change.partition] == change.head.id
            for version in done.commit.versions:
                self.written[version.id].inputs = tuple(v.id for v in self.lake.lineage.inputs(version.id))

    @rule(n=NUMBERS)
    @precondition(lambda self: len(self.states) > 1)
    def drop(self, n):
        branch = pick(set(self.states) - {"main"}, n)
        if any(parent == branch for name, (parent, _) in self.parents.items() if name in self.states):
            return
        self.lake.branches.drop(branch)
        del self.states[branch]
        for written in self.written.values():
            if written.branch == branch:
                written.over = min(self.now, written.over or self.now)
        self.runs = {name: run for name, run in self.runs.items() if run["branch"] != branch}

    @rule(n=NUMBERS, at=NUMBERS)
    def tag(self, n, at):
        if len(self.tags) > 2:
            self.lake.tags.drop(name := sorted(self.tags)[0])
            del self.tags[name]
        branch = pick(self.states, n)
        at = 1 + at % self.lake.versions.newest_commit()
        # What is gone already cannot be held by a tag.
        if set(self.state(branch, at).values()) & self.gone:
            return
        self.count += 1
        self.lake.on(branch).tag(f"t{self.count}", at)
        self.tags[f"t{self.count}"] = (branch, at)

    @rule(n=NUMBERS)
    def pin(self, n):
        if len(self.pins) > 2:
            self.lake.retention.unpin(owner := sorted(self.pins)[0])
            del self.pins[owner]
        i = pick(self.written, n)
        if any(v.gone for v in self.lake.lineage.closure([i])):
            return
        self.count += 1
        self.lake.retention.pin(f"o{self.count}", [i])
        self.pins[f"o{self.count}"] = i

    @rule(n=NUMBERS)
    def begin_a_run(self, n):
        if len(self.runs) > 1:
            return
        branch = pick(self.states, n)
        self.count += 1
        self.lake.on(branch).for_run(f"r{self.count}")
        # A lease lasts from the newest commit's time where the clock was set back since.
        expires = max(self.now, self.time()) + LEASE
        self.runs[f"r{self.count}"] = {"branch": branch, "state": self.state(branch), "own": [], "expires": expires}

    @rule(n=NUMBERS, rows=ROWS)
    @precondition(lambda self: self.runs)
    def go_on_with_a_run(self, n, rows):
        name = pick(self.runs, n)
        run = self.runs[name]
        if run["expires"] <= self.now:
            return
        lake = self.lake.on(run["branch"]).for_run(name)
        self.renewed(run)
        commit = self.put(lake, run["branch"], TABLES[1], "d1", rows)
        if commit.created:
            run["own"].append(commit.versions[0].id)
        else:
            return
        assert read(lake, TABLES[1], "d1") == shown(lake.read(TABLES[1]), self.written[run["own"][-1]].rows)

    @rule(n=NUMBERS)
    @precondition(lambda self: self.runs)
    def end_a_run(self, n):
        name = pick(self.runs, n)
        self.lake.retention.end_run(name)
        del self.runs[name]

    @rule(hours=st.sampled_from([1, 13, 25, 49, 100]))
    def wait(self, hours):
        self.now += timedelta(hours=hours)

    @rule(hours=st.sampled_from([1, 30]))
    def set_the_clock_back(self, hours):
        self.now -= timedelta(hours=hours)

    @rule(hours=st.sampled_from([11, 25, 25]), times=st.integers(2, 4))
    def live_with_retention(self, hours, times):
        """Let time pass, with a run of retention after each stretch; runs that are going on renew their leases meanwhile."""
        for _ in range(times):
            self.now += timedelta(hours=hours)
            for name, run in self.runs.items():
                if run["expires"] > self.now:
                    self.lake.on(run["branch"]).for_run(name)
                    self.renewed(run)
            self.collect()

    def renewed(self, run):
        if run["expires"] < self.now + LEASE / 2:
            run["expires"] = max(self.now, self.time()) + LEASE

    @rule()
    def collect(self):
        held, young = self.held(), {i for i, w in self.written.items() if self.now - w.time < MINIMUM_AGE}
        before = self.marked()
        self.lake.retention.collect(RULES, now=self.now)
        new = {i for i in self.written if i not in self.gone and self.lake.versions.get(i).gone is not None}
        assert not new & held
        assert not new & young
        for i in new:
            assert self.may_go(self.written[i])
            # It was marked, and nothing held it, all through the grace.
            assert self.now - before[i] >= GRACE
        self.gone |= new
        if new:
            self.check_everything()
        marked, perhaps = self.marked(), self.perhaps_held_by_a_model()
        for i, written in self.written.items():
            # Nothing else holds the rest: what may go is marked at least.
            if i not in self.gone | held | young | perhaps and self.may_go(written) and not self.is_base(i):
                assert i in marked

    def is_base(self, i):
        """Branches hold a little more: what their parents read right after they were merged."""
        return any(branch != "main" for branch in self.states) or any(branch not in self.states for branch, _ in self.tags.values())

    def may_go(self, written):
        rule = next(rule for rule in RULES if rule.tables == written.table or (rule.tables.endswith("*") and written.table == MODEL))
        if written.over is None or self.now - written.over < (rule.superseded_for or timedelta(0)):
            return False
        if written.branch not in self.states or rule.versions is None:
            return True
        same = [
            w.id
            for w in self.written.values()
            if (w.table, w.partition, w.branch, w.kind == "rejected")
            == (written.table, written.partition, written.branch, written.kind == "rejected")
        ]
        return written.id not in sorted(same)[-rule.versions :]

    def marked(self):
        with self.lake._opened.ledger.reading() as connection:
            return {row.version_id: datetime.fromtimestamp(row.since / 1e6, UTC) for row in connection.execute(doomed.select())}

    @rule(who=st.sampled_from(PEOPLE))
    def forget(self, who):
        done = self.lake.retention.forget(entity={"who": who}, reason="asked")
        lost = {version.id: rows for version, rows in done.rewritten}
        for i, written in self.written.items():
            if written.kind == "artifact" or i in self.gone:
                assert i not in lost
                continue
            rest = [row for row in written.rows if row["who"] != who]
            assert lost.get(i, 0) == len(written.rows) - len(rest)
            written.rows = rest

    # --- what must hold ---

    def places(self):
        """Return every state that somebody can read: the lake as he sees it, what it holds, and as of when."""
        found = [(self.lake.on(branch), self.state(branch), None) for branch in sorted(self.states)]
        found += [(self.lake.on(branch), self.state(branch, at), at) for branch, at in self.tags.values() if branch in self.states]
        for name, run in self.runs.items():
            if run["expires"] > self.now:
                lake = Lake(self.lake._opened.with_scope(leases.lease(self.lake._opened.ledger, Scope(run["branch"]), name)))
                self.renewed(run)
                own = {(self.written[i].table, self.written[i].partition): i for i in run["own"]}
                found.append((lake, {**run["state"], **own}, None))
        return found

    @invariant()
    def what_is_readable_is_what_was_written(self):
        if not self.written:
            return
        chance = random.Random(len(self.written) + self.count)
        branch, at = chance.choice(sorted(self.states)), chance.randint(1, self.lake.versions.newest_commit())
        self.check_state(self.lake.on(branch), self.state(branch, at), at, chance)
        for place in chance.sample(places := self.places(), min(2, len(places))):
            self.check_state(*place, chance)
        for i in chance.sample(held := sorted(self.held()), min(3, len(held))):
            self.check_version(i)

    def check_everything(self):
        chance = random.Random(len(self.written))
        for place in self.places():
            self.check_state(*place, chance)
        for i in self.held():
            self.check_version(i)

    @invariant()
    def the_lake_is_sound(self):
        assert self.lake.health.verify() == []

    def check_state(self, lake, state, at, chance):
        by_table = defaultdict(dict)
        for (table, partition), i in state.items():
            by_table[table][partition] = i
        for table in TABLES:
            reading = lake.read(table, at=at, partition_column="part")
            assert {v.partition: v.id for v in reading.versions} == by_table[table]
            if any(i in self.gone for i in by_table[table].values()):
                with pytest.raises(CollectedError, match="deleted by retention"):
                    reading.arrow()
                continue
            if not reading.table_schema.names:
                continue
            expected = [
                {**row, "part": partition}
                for partition, i in sorted(by_table[table].items())
                for row in shown(reading, self.written[i].rows)
            ]
            assert reading.arrow().to_pylist() == expected
            assert reading.rows == len(expected)
            sql, keep = chance.choice(FILTERS)
            assert reading.relation(self.con).filter(sql).to_arrow_table().to_pylist() == [row for row in expected if keep(row)]

    def check_version(self, i):
        written, version = self.written[i], self.lake.versions.get(i)
        assert version.gone is None
        if written.kind == "artifact":
            assert self.lake.versions.artifact(version, "f") == written.rows
        else:
            reading = self.lake.versions.read([i])
            assert reading.arrow().to_pylist() == shown(reading, written.rows)


def shown(reading, rows):
    """Return rows in the columns of a reading: a column that came later is null."""
    return [{name: row.get(name) for name in reading.schema.names if name != "part"} for row in rows]


def read(lake, table, partition):
    return lake.read(table, partition=partition).arrow().to_pylist()


TestLife = pytest.mark.slow(Life.TestCase)
TestLife.settings = settings(max_examples=examples(6), stateful_step_count=20, deadline=None)

# What makes retention find something to do comes often; all else often enough to be there when it does.
OFTEN = {"write_one_after_the_other": 4, "write_again_what_was_there_once": 3, "live_with_retention": 4, "train": 2}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(examples(2)))
def test_long_lives(seed):
    """The same steps by chance, many more in a row than Hypothesis takes."""
    chance = random.Random(seed)
    life = Life()
    steps = {name: found for name, found in vars(Life).items() if hasattr(found, "hypothesis_stateful_rule")}
    try:
        life.begin([("ann", 1)])
        for _ in range(STEPS):
            name = chance.choices(list(steps), [OFTEN.get(name, 1) for name in steps])[0]
            step = steps[name].hypothesis_stateful_rule
            if all(precondition(life) for precondition in step.preconditions):
                step.function(life, **{key: drawn(chance, key) for key in step.arguments})
                life.what_is_readable_is_what_was_written()
                life.the_lake_is_sound()
        assert life.gone
    finally:
        life.teardown()


def drawn(chance, key):
    """Return an argument of a step by chance."""
    if key == "contents":
        return [drawn(chance, "rows") for _ in range(chance.randint(2, 4))]
    return {
        "rows": lambda: [(chance.choice([*PEOPLE, None]), chance.choice([*range(6), None])) for _ in range(chance.randint(0, 4))],
        "table": lambda: chance.choice(TABLES),
        "partition": lambda: chance.choice(["d1", "d2"]),
        "rejected": lambda: chance.randint(0, 5),
        "text": lambda: chance.choice([b"1", b"2"]),
        "hours": lambda: chance.choice([1, 11, 25, 49]),
        "times": lambda: chance.randint(2, 4),
        "who": lambda: chance.choice(PEOPLE),
    }.get(key, lambda: chance.randint(0, 10_000))()
