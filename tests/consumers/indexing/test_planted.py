"""The promises of the search are proven: each bug planted here is found by the test that stands for its promise."""

import importlib
import inspect
from collections.abc import Awaitable, Callable
from types import CodeType
from typing import Any, NamedTuple

import pytest

from tests.consumers.indexing import test_project, test_writer
from tests.consumers.indexing.shelf import Shelf
from tests.edge_api import test_search_asked, test_search_hidden
from tests.edge_api.doorway import Doorway

FOUND = (AssertionError, pytest.fail.Exception)


class Plant(NamedTuple):
    """A text of a function or of an SQL statement, what stands there instead, and the test that finds it."""

    where: str
    old: str
    new: str
    found_by: Callable[..., object]


QUICK: dict[str, Plant] = {
    "an old event of an auction writes over a newer one": Plant(
        "consumers.indexing.project:fold_auction",
        "if seq > getattr(auction,",
        "if seq != getattr(auction,",
        test_project.test_any_order_and_any_repeats_of_an_auctions_events_come_to_the_same,
    ),
    "an old event of a person writes over a newer one": Plant(
        "consumers.indexing.project:fold_person",
        "if seq > getattr(person,",
        "if seq != getattr(person,",
        test_project.test_any_order_and_any_repeats_of_a_persons_events_come_to_the_same,
    ),
    "a part of the auction is not in the version": Plant(
        "consumers.indexing.project:Auction.version",
        "self.end_seq + ",
        "",
        test_project.test_a_document_never_changes_without_a_greater_version,
    ),
    "the seller's part is not in the version": Plant(
        "consumers.indexing.project:auction_document",
        "(0 if seller is None else seller.version)",
        "0",
        test_project.test_a_reinstated_seller_comes_back_with_a_newer_version,
    ),
    "the start is not in the version": Plant(
        "consumers.indexing.project:auction_document",
        "+ (0 if waits else 1)",
        "",
        test_project.test_time_alone_makes_a_scheduled_auction_live,
    ),
    "a name that comes late stays of an erased person": Plant(
        "consumers.indexing.project:fold_person",
        'if after.standing == "erased":',
        "if not after:",
        test_project.test_an_erased_person_keeps_no_name_even_if_one_comes_late,
    ),
    "a draft is shown": Plant(
        "consumers.indexing.project:auction_document",
        "if auction.draft:",
        "if not auction:",
        test_project.test_a_draft_is_not_shown_before_it_is_published_nor_when_it_is_discarded,
    ),
    "pages of a search show who was hidden meanwhile": Plant(
        "edge_api.search_index:SearchIndex._search",
        "without(body, await self.hidden.people())",
        "body",
        test_search_hidden.test_every_question_of_the_edge_leaves_them_out,
    ),
    "what is typed is syntax": Plant(
        "edge_api.search_words:_exact",
        '"multi_match": {"query": text, "type": "phrase",',
        '"query_string": {"query": text, "type": "phrase",',
        test_search_asked.test_no_text_changes_the_form_of_the_question,
    ),
    "a cursor is good for any question": Plant(
        "edge_api.search_cursor:_signature",
        "canonical(question)",
        'b""',
        test_search_asked.test_a_cursor_is_good_for_its_own_question_only,
    ),
}

STACK: dict[str, Plant] = {
    "no external version": Plant(
        "consumers.indexing.gateway:Operation.lines",
        '"version":%d,"version_type":"external"',
        '"routing":"%d"',
        test_writer.test_a_request_of_a_dead_writer_that_arrives_late_moves_nothing_back,
    ),
    "each change is written": Plant(
        "consumers.indexing.store:MARK",
        "d.written_at + $3 *",
        "d.written_at + 0 * $3 *",
        test_writer.test_a_hot_auction_is_written_once_per_window_whatever_the_bids,
    ),
    "a change during a write is not written": Plant(
        "consumers.indexing.store:DONE",
        "WHEN d.marks = l.seen THEN",
        "WHEN d.marks >= l.seen THEN",
        test_writer.test_a_change_during_a_write_is_written_afterwards,
    ),
    "a lease never ends": Plant(
        "consumers.indexing.store:CLAIM",
        "(leased_until IS NULL OR leased_until <= now())",
        "leased_until IS NULL",
        test_writer.test_what_a_dead_writer_held_is_written_by_another_when_its_lease_is_over,
    ),
    "a lease holds nobody off": Plant(
        "consumers.indexing.store:CLAIM",
        "AND (leased_until IS NULL OR leased_until <= now())",
        "",
        test_writer.test_what_a_dead_writer_held_is_written_by_another_when_its_lease_is_over,
    ),
    "what a hidden seller offers stays": Plant(
        "consumers.indexing.writer:Writer._write",
        "if people:",
        "if not claimed:",
        test_writer.test_what_a_suspended_seller_offers_is_hidden_and_comes_back,
    ),
    "searches are not told whom to leave out": Plant(
        "consumers.indexing.desk:_hiding",
        "if hidden]",
        "if not key]",
        test_writer.test_searches_are_told_at_once_whom_to_leave_out_until_the_index_has_hidden_all_of_theirs,
    ),
    "who is hidden is forgotten before all of theirs is": Plant(
        "consumers.indexing.store:HIDDEN_IN_THE_INDEX",
        "d.seller_id = h.user_id AND",
        "false AND",
        test_writer.test_searches_are_told_at_once_whom_to_leave_out_until_the_index_has_hidden_all_of_theirs,
    ),
    "a rebuild takes back what was learnt meanwhile": Plant(
        "consumers.indexing.store:KEEP_AT_LEAST",
        "WHERE d.version <= excluded.version",
        "WHERE true",
        test_writer.test_a_rebuild_takes_nothing_back_that_a_worker_has_learnt_meanwhile,
    ),
}


def plant(patch: pytest.MonkeyPatch, bug: Plant) -> None:
    """Change the running program; the text must stand there exactly once, so that a plant that has moved fails aloud."""
    module, _, name = bug.where.partition(":")
    holder: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        holder = getattr(holder, part)
    there = getattr(holder, last)
    if isinstance(there, str):
        assert there.count(bug.old) == 1
        patch.setattr(holder, last, there.replace(bug.old, bug.new))
        return
    function: Any = there.fget if isinstance(there, property) else there
    text = inspect.getsource(function)
    assert text.count(bug.old) == 1
    whole = inspect.getsource(importlib.import_module(module)).replace(text, text.replace(bug.old, bug.new))
    changed = compile(whole, function.__code__.co_filename, "exec", dont_inherit=True)
    # All who imported the function have this one: its code is changed, not its name.
    patch.setattr(function, "__code__", _code(changed, function.__qualname__))


def _code(of: CodeType, name: str) -> CodeType:
    inner = [one for one in of.co_consts if isinstance(one, CodeType)]
    for one in inner:
        if one.co_qualname == name:
            return one
        if name.startswith(f"{one.co_qualname}."):
            return _code(one, name)
    raise LookupError(name)


async def is_found(bug: Plant, **fixtures: object) -> None:
    """The test fails with the bug."""
    with pytest.MonkeyPatch.context() as patch:
        plant(patch, bug)
        with pytest.raises(FOUND):
            await _play(bug.found_by, {**fixtures, "monkeypatch": patch})


async def _play(test: Callable[..., object], fixtures: dict[str, object]) -> None:
    needs = inspect.signature(test).parameters
    done = test(**{name: value for name, value in fixtures.items() if name in needs})
    if isinstance(done, Awaitable):
        await done


@pytest.mark.quick
@pytest.mark.parametrize("bug", QUICK)
async def test_without_servers_it_is_found_that(bug: str) -> None:
    await is_found(QUICK[bug], doorway=Doorway())


@pytest.mark.stack
@pytest.mark.parametrize("bug", STACK)
async def test_it_is_found_that(bug: str, shelf: Shelf) -> None:
    await is_found(STACK[bug], shelf=shelf)
