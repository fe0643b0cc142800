"""What retrieval does where other views say nothing: exactly what the tracker did."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from drape import tables
from drape.errors import DrapeError
from drape.retrieval import RetrievalConfig, RetrievalView, retrieve
from support.crowd import crowd

SHARED = list(tables.TRACKLETS.names)


@pytest.fixture(scope="module")
def recording():
    return crowd(seconds=20, weak=[(0, 1, 8, 11, None), (1, 2, 5, 9, 0.2)])


def test_one_view_is_exactly_its_tracklets(recording):
    view = recording.views[0]
    out = retrieve([view])
    assert out.persons[view.id].equals(tables.unconfirmed(view.tracklets))


def test_views_without_pairs_are_exactly_their_tracklets(recording):
    out = retrieve(recording.views)
    for view in recording.views:
        assert out.persons[view.id].equals(tables.unconfirmed(view.tracklets))


def test_an_interval_without_association_is_as_in_a_single_view(recording):
    start, stop = 8.0, 14.0
    c = recording

    def outside(table):
        time = table.column("time")
        return table.filter(pc.or_(pc.less(time, start), pc.greater_equal(time, stop)))

    index = pc.round(pc.multiply(c.identities.column("frame"), 0.2), 3)
    identities = c.identities.filter(pc.or_(pc.less(index, start), pc.greater_equal(index, stop)))
    out = retrieve(c.views, outside(c.pairs), identities, outside(c.expected))
    for view in c.views:
        mine = out.persons[view.id]
        inside = pc.and_(pc.greater_equal(mine.column("time"), start), pc.less(mine.column("time"), stop))
        alone = view.tracklets
        there = pc.and_(pc.greater_equal(alone.column("time"), start), pc.less(alone.column("time"), stop))
        seen = mine.filter(pc.and_(inside, pc.is_valid(mine.column("candidate"))))
        want = alone.filter(pc.and_(there, pc.is_valid(alone.column("candidate"))))
        assert seen.select(SHARED).equals(want.select(SHARED))
        assert seen.column("over_views").null_count == len(seen)


def test_no_tracklet_row_is_ever_lost_or_moved_to_another_frame(recording):
    out = retrieve(recording.views, recording.pairs, recording.identities, recording.expected)
    for view in recording.views:
        want = set(zip(*(view.tracklets.column(n).to_pylist() for n in ("frame", "tracklet")), strict=True))
        have = list(zip(*(out.persons[view.id].column(n).to_pylist() for n in ("frame", "tracklet")), strict=True))
        assert want <= set(have)
        assert len(have) == len(set(have)), "a tracklet has two boxes in a frame"
        assert have == sorted(have)


def test_tables_have_their_schemas_and_say_why(recording):
    out = retrieve(recording.views, recording.pairs, recording.identities, recording.expected)
    for view in recording.views:
        persons = out.persons[view.id]
        assert persons.schema.equals(tables.PERSONS)
        assert out.missed[view.id].schema.equals(tables.MISSED)
        added = persons.filter(pc.equal(persons.column("source"), "associated"))
        assert added.column("over_views").null_count == 0
    assert out.intervals.schema.equals(tables.INTERVALS)


def test_the_same_inputs_give_the_same_bits(recording):
    first, second = (
        retrieve(recording.views, recording.pairs, recording.identities, recording.expected) for _ in range(2)
    )
    assert all(first.persons[v.id].equals(second.persons[v.id]) for v in recording.views)
    assert all(first.missed[v.id].equals(second.missed[v.id]) for v in recording.views)


def test_views_that_see_nobody_at_all():
    frames = tables.make(tables.FRAMES, frame=[0, 1], pts=[0, 1], time=[0.0, 1.0])
    blank = [
        RetrievalView(name, (64, 48), frames, tables.empty(tables.CANDIDATES), tables.empty(tables.TRACKLETS))
        for name in "ab"
    ]
    out = retrieve(blank, tables.empty(tables.PAIRS))
    assert all(len(t) == 0 for t in (*out.persons.values(), *out.missed.values(), out.intervals))


def test_two_views_of_one_id_are_refused(recording):
    with pytest.raises(DrapeError, match="same id"):
        retrieve([recording.views[0], recording.views[0]])


def test_pairs_of_other_candidates_are_refused(recording):
    wrong = recording.pairs.slice(0, 5)
    wrong = wrong.set_column(3, wrong.schema.field("index_a"), pa.array([900] * 5, pa.int32()))
    with pytest.raises(DrapeError, match="candidates that are not there"):
        retrieve(recording.views, wrong)


def test_tracklets_of_other_candidates_are_refused(recording):
    view = recording.views[0]
    lost = dataclasses.replace(view, candidates=view.candidates.slice(0, 20))
    with pytest.raises(DrapeError, match="made from other candidates"):
        retrieve([lost, recording.views[1]])


def test_chunks_give_every_frame_once_and_nearly_the_whole_answer(recording):
    whole = retrieve(recording.views, recording.pairs, recording.identities, recording.expected)
    config = RetrievalConfig(chunk=1000, max_gap_s=3, reach_s=1)
    total = sum(len(v.candidates) for v in recording.views)
    assert total > 1.5 * config.chunk
    told = []
    parts = retrieve(
        recording.views,
        recording.pairs,
        recording.identities,
        recording.expected,
        config,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert told[-1] == (total, total) and len(told) > 1
    for view in recording.views:
        known = set(_existence(view.tracklets))
        a, b = _existence(whole.persons[view.id]), _existence(parts.persons[view.id])
        assert known <= set(a) & set(b)
        assert len(b) == len(parts.persons[view.id])
        assert np.mean([abs(a[k] - b[k]) for k in known]) < 0.05


def _existence(table):
    """Existence by frame and tracklet."""
    columns = (table.column(name).to_pylist() for name in ("frame", "tracklet", "existence"))
    return {(frame, tracklet): value for frame, tracklet, value in zip(*columns, strict=True)}
