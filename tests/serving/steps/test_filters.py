"""What may be in a list."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps.filters import Filter, allowed_rows, in_category, not_itself, unseen
from tests.worlds.plain_lists import Plain
from tests.worlds.world import user, world


@given(
    st.integers(0, 20),
    st.sampled_from([None, frozenset({"product"}), frozenset({"article", "content"})]),
    st.lists(st.integers(0, 140), max_size=5),
    st.booleans(),
    st.sampled_from([(), (unseen,), (not_itself,), (unseen, not_itself)]),
)
@settings(max_examples=40)
def test_it_is_what_is_listed_less_what_each_filter_takes_out(
    seed: int,
    kinds: frozenset[str] | None,
    excluded: list[int],
    hide_seen: bool,
    filters: tuple[Filter, ...],
) -> None:
    made = world(0)
    live = np.flatnonzero(made.index.catalogue.column("alive"))
    asked = made.context(
        kinds=kinds,
        user=user(made, seed),
        exclude=live[np.array(excluded, dtype=np.int64) % len(live)].astype(np.int32),
        hide_seen=hide_seen,
        item=int(live[seed]),
    )
    plain = Plain(made, asked)
    wanted = set(plain.allowed(unseen=unseen in filters, itself=not_itself not in filters))
    rows = np.flatnonzero(allowed_rows(asked, filters)).tolist()
    assert {made.item_id(row) for row in rows} == wanted


def test_the_requests_own_filter_and_its_category_let_through_no_more() -> None:
    made = world(0)
    plain = Plain(made, made.context())
    name = next(plain.items[each].category for each in plain.listed() if plain.items[each].category)
    code = made.index.catalogue.category_code(str(name))
    own = np.zeros(made.index.catalogue.n_rows, dtype=np.bool_)
    own[::2] = True
    asked = made.context(permitted=own, category=code)
    rows = np.flatnonzero(allowed_rows(asked, (in_category,)))
    wanted = {each for each in plain.listed() if plain.items[each].category == name and own[made.row(each)]}
    assert {made.item_id(row) for row in rows.tolist()} == wanted and wanted
    assert own[1::2].sum() == 0, "the request's own mask stays as it was"
