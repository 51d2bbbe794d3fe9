"""The contracts on real planes: what one worker is told, the other answers at the next request."""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest

from client import NotFound, Shortlist


@pytest.fixture
def workers(addresses: tuple[str, str]) -> Iterator[tuple[Shortlist, Shortlist]]:
    with Shortlist(addresses[0]) as one, Shortlist(addresses[1]) as other:
        yield one, other


def test_an_article_written_on_one_worker_is_found_by_meaning_on_the_other(
    workers: tuple[Shortlist, Shortlist],
) -> None:
    one, other = workers
    pasta = one.create_article("Carbonara", "pasta with eggs", category="Food")
    bonds = one.create_article("Bonds", "interest and money", category="Finance")
    found = other.recommend_articles(query="pasta eggs", limit=2)
    assert [article["id"] for article in found] == [pasta["id"], bonds["id"]]
    assert found[0]["distance"] < found[1]["distance"]
    other.change_article(bonds["id"], title="Noodles", content="pasta pasta eggs eggs")
    near = one.recommend_articles(article_id=pasta["id"], limit=1)
    assert (near[0]["id"], near[0]["title"]) == (bonds["id"], "Noodles")
    one.delete_article(bonds["id"])
    with pytest.raises(NotFound):
        other.article(bonds["id"])
    assert other.recommend_articles(article_id=pasta["id"]) == []
    assert pasta in other.articles()["results"]


def test_users_content_and_interactions_are_common_to_both_workers(
    workers: tuple[Shortlist, Shortlist],
) -> None:
    one, other = workers
    one.create_user("alice", interests=["python"], skill_level="intermediate")
    one.create_content("tut1", "Python for beginners", category="programming", tags=["python"])
    one.create_content("tut2", "Sailing at night", category="boats", tags=["sea"])
    assert other.content("tut1")["category"] == "programming"
    recommended = other.recommend_content("alice", n=5, explain=True)
    assert recommended[0]["content_id"] == "tut1"
    assert recommended[0]["reason"]
    one.interact("alice", "tut1", "view_time", duration_seconds=30)
    one.feedback("alice", "tut1", "positive")
    assert other.user("alice")["history"] == ["tut1"]
    events = [(event["event_type"], event["product_id"]) for event in other.interactions("alice")]
    assert events == [("feedback", "tut1"), ("view_time", "tut1")]
    assert "tut1" not in [item["content_id"] for item in other.recommend_content("alice", n=5)]


def test_content_under_the_id_of_a_deleted_article_is_no_article(
    workers: tuple[Shortlist, Shortlist],
) -> None:
    one, other = workers
    article = one.create_article("On lace", "knots and pins")
    one.delete_article(article["id"])
    one.create_content(f"A{article['id']:09}", "In its place")
    for call in (lambda: other.article(article["id"]), lambda: other.delete_article(article["id"])):
        with pytest.raises(NotFound):
            call()
    assert other.content(f"A{article['id']:09}")["title"] == "In its place"


def test_status_counts_products_ratings_and_users(workers: tuple[Shortlist, Shortlist]) -> None:
    one, other = workers
    before = one.status()
    one.create_content("counted1", "Counting for beginners")
    one.create_article("Counting", "one two three")
    one.create_user("counter")
    one.interact("counter", "counted1", "click")
    one.searched("counter", "counting")
    after = other.status()
    for section in ("database", "similarity_search"):
        assert after[section]["n_products"] == before[section]["n_products"]
    assert after["similarity_search"]["n_vectors"] == before["similarity_search"]["n_vectors"] + 2
    assert after["database"]["n_items"] == before["database"]["n_items"] + 2
    assert after["database"]["n_users"] == before["database"]["n_users"] + 1
    assert after["database"]["n_interactions"] == before["database"]["n_interactions"] + 2
    assert after["database"]["n_ratings"] == before["database"]["n_ratings"] + 1  # a search has no item
    assert after["database"]["avg_rating"] is None


def test_content_has_its_vector_on_the_other_worker(workers: tuple[Shortlist, Shortlist]) -> None:
    one, other = workers
    made = one.create_content("vector1", "Sewing buttons")
    assert other.content("vector1")["embedding_vector"] == made["embedding_vector"]
    assert sum(value**2 for value in made["embedding_vector"] or []) == pytest.approx(1.0, abs=1e-5)


def test_a_product_that_a_file_brings_changes_and_takes_is_so_on_every_worker_at_once(
    workers: tuple[Shortlist, Shortlist], ingest_products: Any
) -> None:
    for worker in workers:
        with pytest.raises(NotFound):  # no product at all yet
            worker.search("zither")
    assert ingest_products(ZITHER0001="Alpine zither", ZITHER0002="Zither strings").rows_loaded == 2
    for worker in workers:
        assert {item["id"] for item in worker.search("zither")["results"]} == {"ZITHER0001", "ZITHER0002"}
        assert worker.semantic_search("zither strings")[0]["product_id"] == "ZITHER0002"
        assert [item["id"] for item in worker.similar_products("ZITHER0001")][:1] == ["ZITHER0002"]
        assert "ZITHER0001" in [item["id"] for item in worker.home("stranger")["best_value"]]
    ingest_products(ZITHER0001="Alpine dulcimer")
    for worker in workers:
        assert {item["id"] for item in worker.search("zither")["results"]} == {"ZITHER0002"}
        assert worker.search("dulcimer")["results"][0]["id"] == "ZITHER0001"


def test_content_is_recommended_and_listed_by_the_other_worker_at_the_next_request(
    workers: tuple[Shortlist, Shortlist],
) -> None:
    one, other = workers
    one.create_user("reader", interests=["falconry"])
    other.create_content("hawk1", "Falconry for all", category="falconry", tags=["falconry"])
    for worker in workers:
        assert worker.recommend_content("reader", n=1)[0]["content_id"] == "hawk1"
        assert [item["content_id"] for item in worker.content_of("falconry")] == ["hawk1"]
    other.update_user("reader", interests=["python"])
    assert one.user("reader")["interests"] == ["python"]


def test_a_click_is_stored_before_it_is_answered(workers: tuple[Shortlist, Shortlist]) -> None:
    one, other = workers
    for _ in range(3):
        one.click("bob", "ABCD1234XY")
    one.searched("bob", "red shoes")
    assert len(other.interactions("bob")) == 4


def test_the_service_answers_before_any_bundle_and_says_so(workers: tuple[Shortlist, Shortlist]) -> None:
    status = workers[0].status()
    assert status["matrix_factorization"]["status"] != "trained"
    assert {"database", "matrix_factorization", "similarity_search"} <= status.keys()
    assert {"n_ratings", "n_users", "n_products", "avg_rating"} <= status["database"].keys()
    home = workers[0].home("stranger")
    assert home["personalized"] == []


@pytest.mark.parametrize(
    "text",
    [
        "\u200fספר\u200e \u202etxet",
        "a" + "\u0301" * 190,
        "\ufeff\ufffe\U0010ffff\U000e0001",
        "👩\u200d👩\u200d👧 1️⃣ \x85\x9f",
        "ｔｅａ\u3000हिन्दी ที่นี่ 茶",
        "'; drop table items; -- %s {} \\u0000",
    ],
)
def test_whatever_text_is_taken_is_stored_searched_and_shown(
    workers: tuple[Shortlist, Shortlist], text: str
) -> None:
    one, other = workers
    name = str(crc32(text.encode()))
    made = one.create_content(f"c{name}", text, category=text, tags=[text], description=text * 500)
    assert (made["title"], made["category"], made["tags"]) == (text, text, [text])
    assert other.content(made["content_id"])["title"] == text
    assert [item["title"] for item in other.content_of(text)] == [text]
    one.create_user(f"u{name}", interests=[text], skill_level=text)
    one.interact(f"u{name}/{text[:50]}?", made["content_id"], "click")
    assert other.user(f"u{name}/{text[:50]}?")["history"] == [made["content_id"]]
    assert other.recommend_content(f"u{name}", n=5)
    assert other.search(text, kind="all")["results"]
    assert other.semantic_search(text, kind="all")
