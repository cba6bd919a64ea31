"""What the watcher of a process knows of the cases in hand, and which of them a death costs."""

from __future__ import annotations

import json
import time

from usframe.session.progress import Progress


def heard(*lines: str) -> Progress:
    progress = Progress()
    for line in lines:
        progress.update(json.loads(line))
    return progress


def test_progress_follows_what_is_said() -> None:
    progress = heard('{"share": [0, 2], "limit": 3.0}', '{"at": "a"}', '{"rests": "a"}', '{"taken": "a"}')
    assert (progress.share, progress.limit, [*progress.begun], progress.taken) == ([0, 2], 3.0, ["a"], ["a"])
    progress.update({"ended": "a"})
    progress.update({"at": "b"})
    assert ([*progress.begun], progress.ended) == (["b"], ["a"])
    progress.update({"dropped": "b"})
    assert not progress.begun


def test_a_case_is_late_by_the_time_spent_on_it_and_not_by_that_in_a_queue() -> None:
    progress = heard('{"limit": 2.0}', '{"at": "a"}', '{"rests": "a"}', '{"at": "b"}')
    progress.begun = {"a": 1.5, "b": 1.5}
    progress.since = {"b": time.monotonic() - 1}
    assert progress.late() == "b"
    progress.since = {}
    assert progress.late() == ""
    progress.limit = 0.0
    progress.begun = {"a": 1e6}
    assert progress.late() == ""


def test_a_death_costs_the_one_case_that_was_worked_on() -> None:
    progress = heard('{"at": "a"}', '{"taken": "a"}', '{"rests": "a"}', '{"at": "b"}')
    progress.died("crashed", "", killed=False)
    assert (progress.lost, progress.taken, progress.alone) == ({"b": "crashed"}, ["a"], False)


def test_a_late_case_is_the_one_that_is_lost() -> None:
    progress = heard('{"at": "a"}', '{"at": "b"}', '{"taken": "b"}')
    progress.died("too long", "a", killed=True)
    assert (progress.lost, progress.taken, progress.alone) == ({"a": "too long"}, ["b"], False)


def test_where_memory_may_have_been_short_for_several_none_is_blamed() -> None:
    progress = heard('{"at": "a"}', '{"taken": "a"}', '{"rests": "a"}', '{"at": "b"}')
    progress.died("killed", "", killed=True)
    assert (progress.lost, progress.taken, progress.begun, progress.alone) == ({}, ["a"], {}, True)
    progress.update({"at": "a"})
    progress.died("killed", "", killed=True)
    assert (progress.lost, progress.taken) == ({"a": "killed"}, [])


def test_nobody_goes_on_with_what_cannot_be_gone_on_with_or_was_stopped() -> None:
    assert Progress().is_ended
    assert not heard('{"share": [0, 1]}').is_ended
    assert heard('{"share": [0, 1]}', '{"stopped": true}').is_ended
