"""The bundle's models are asked with the history as it is now."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps.context import NOBODY, Context, User
from serving.steps.sources.models import als, learned_models, nmf
from tests.worlds.plain_lists import Plain, alike, said
from tests.worlds.world import user, world

ALLOWED = np.ones(0, dtype=np.bool_)
"""Models score every item, allowed or not."""


@given(st.integers(0, 30))
@settings(max_examples=25)
def test_every_model_that_weighs_something_is_asked(seed: int) -> None:
    made = world(0)
    weights = {"als": 1.0, "nmf": 0.0, "ease": 0.5, "new_items": 0.3, "embeddings": 1.0, "popularity": 1.0}
    asked = replace(made.context(user=user(made, seed, events=12)), weights=weights)
    columns, plain = learned_models(asked, ALLOWED), Plain(made, asked)
    # TF-IDF weighs on new items alone; embeddings and popularity are sources of their own.
    assert columns.keys() == {"als", "ease", "tfidf"}
    for name in ("als", "ease"):
        assert alike(
            said(made, columns[name]),
            {each: s for each, s in plain.model(name).items() if each in plain.items},
        )
    assert alike(
        said(made, columns["tfidf"]), {each: s for each, s in plain.titles().items() if each in plain.items}
    )


def test_nmf_is_asked_where_the_request_gives_it_a_weight() -> None:
    made = world(0)
    asked = made.context(user=user(made, 3, events=12))
    assert nmf(asked, ALLOWED) == {}
    shared = replace(asked, shares={"cf": 0.5})
    wanted = {each: s for each, s in Plain(made, shared).model("nmf").items() if each in made.items}
    assert alike(said(made, nmf(shared, ALLOWED)["cf"]), wanted)


@pytest.mark.parametrize("bundle", [True, False])
def test_without_a_history_or_a_bundle_no_model_has_an_opinion(bundle: bool) -> None:
    made = world(0 if bundle else 2, bundle=bundle)
    who = NOBODY if bundle else user(made, 3, events=12)
    asked = made.context(user=who, shares={"cf": 1.0})
    for columns in (nmf(asked, ALLOWED), als(asked, ALLOWED)):
        assert all(not column.values.any() for column in columns.values())


def test_als_stands_on_the_trained_factors_of_a_user_whose_history_is_out_of_reach() -> None:
    made = world(0)
    assert made.placed is not None
    asked, model = made.context(user=User("ann", trained=4)), made.placed.models.als
    column = als(asked, ALLOWED)["als"]
    assert np.allclose(column.values, model.item_factors @ model.user_factors[model.user_rows[4]], atol=1e-5)


def test_a_model_that_the_bundle_does_not_hold_says_nothing() -> None:
    """A weight for a model of tomorrow, and a bundle of yesterday."""
    made = world(0)
    asked = replace(made.context(user=user(made, 3, events=12)), weights={"tomorrows": 1.0, "ease": 1.0})
    columns = learned_models(asked, ALLOWED)
    assert not columns["tomorrows"].values.any() and columns["ease"].values.any()


def test_where_no_text_is_newer_than_the_bundle_its_titles_are_the_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = world(0)
    assert made.placed is not None
    monkeypatch.setattr(Context, "changed_rows", lambda self: np.zeros(self.n_rows, dtype=np.bool_))
    asked = replace(made.context(user=user(made, 3, events=12)), weights={"tfidf": 1.0})
    found, model = learned_models(asked, ALLOWED)["tfidf"], made.placed.bundle.models["tfidf"]
    assert found.values.tolist() == model.scores(asked.model_query()).tolist()
    assert found.values.any() and found.rows is made.placed.rows
