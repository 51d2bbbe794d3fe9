"""The quality as Markdown: every model, who is served well, paired differences, cost of variety."""

from collections.abc import Mapping, Sequence

from benchmarks.quality.lists import WITH_FALLBACK, RankerResult, Reordering
from training import markdown
from training.evaluation.intervals import Difference, Estimate, compare, compare_coverage
from training.evaluation.ranking import ITEMS, TestSet, evaluate
from training.models.blend import FEW_INTERACTIONS
from training.models.core.types import IntArray
from training.params import Params

ACCURACY = ("recall@{0}", "recall@{1}", "map@{0}", "mrr@{0}", "hit_rate@{0}")
BEYOND = ("novelty@{0}", "diversity@{0}", "popularity@{0}")
PARTS = ("warm_users", "cold_users", "few_interactions_users", ITEMS)

Found = Mapping[str, RankerResult]


def models_table(found: Found, params: Params) -> str:
    """Every ranker with its metrics; intervals of NDCG, coverage and Gini."""
    k = params.evaluation.cutoffs[0]
    before = [name.format(*params.evaluation.cutoffs) for name in ACCURACY]
    after = [name.format(*params.evaluation.cutoffs) for name in BEYOND]
    head = ["model", f"ndcg@{k}", *before, f"coverage@{k}", f"gini@{k}", *after, "fit, CPU s"]
    rows = []
    for name, result in found.items():
        numbers = result.evaluation.slices["all"]
        seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
        rows.append(
            [
                name,
                estimate(numbers[f"ndcg@{k}"]),
                *(f"{numbers[column].value:.4f}" for column in before),
                estimate(numbers[f"coverage@{k}"]),
                estimate(numbers[f"gini@{k}"]),
                *(f"{numbers[column].value:.4f}" for column in after),
                seconds,
            ]
        )
    return markdown.table(head, rows)


def parts_table(found: Found, k: int) -> str:
    """NDCG by what was known of the users, and over right answers that are items little is known of."""
    users = next(iter(found.values())).evaluation.users
    parts = [part for part in PARTS if users.get(part)]
    head = ["model", *(f"{part.replace('_', ' ')} ({users[part]})" for part in parts)]
    rows = [
        [name, *(estimate(result.evaluation.slices[part][f"ndcg@{k}"]) for part in parts)]
        for name, result in found.items()
    ]
    return markdown.table(head, rows)


def spread_table(found: Found, k: int) -> str:
    """Coverage and Gini by what was known of the users, and what becomes of items little is known of."""
    users = next(iter(found.values())).evaluation.users
    columns = [(part, name) for part in PARTS[:-1] if users.get(part) for name in ("coverage", "gini")]
    columns += [(ITEMS, "coverage"), (ITEMS, "share")]
    head = ["model", *(f"{name}@{k}, {part.replace('_', ' ')}" for part, name in columns)]
    rows = [
        [name, *(estimate(result.evaluation.slices[part][f"{metric}@{k}"]) for part, metric in columns)]
        for name, result in found.items()
    ]
    return markdown.table(head, rows)


def paired_table(found: Found, name: str, test: TestSet, params: Params) -> str:
    """One ranker less every other: NDCG over all users and over those with a history, and coverage."""
    k, samples, seed = params.evaluation.cutoffs[0], params.evaluation.bootstrap_samples, params.seed
    warm, mine = test.user_slices()["warm_users"], found[name]
    head = ["against", f"ndcg@{k}, all users", "verdict", "users with a history", "verdict"]
    head += [f"coverage@{k}", "verdict"]
    rows = []
    for other, result in found.items():
        if other == name:
            continue
        gains, theirs = mine.evaluation.per_user[f"ndcg@{k}"], result.evaluation.per_user[f"ndcg@{k}"]
        differences = [
            compare(gains, theirs, samples, seed),
            compare(gains[warm], theirs[warm], samples, seed),
            compare_coverage(mine.lists[:, :k], result.lists[:, :k], len(test.item_users)),
        ]
        rows.append([other, *(cell for found in differences for cell in (signed(found), found.verdict))])
    return markdown.table(head, rows)


def pairs_table(found: Found, pairs: Sequence[tuple[str, str]], test: TestSet, params: Params) -> str:
    """One model less another: NDCG over users with a history, and over those without."""
    k, samples, seed = params.evaluation.cutoffs[0], params.evaluation.bootstrap_samples, params.seed
    slices = {part: test.user_slices()[part] for part in PARTS[:2]}
    head = [f"ndcg@{k} of", "less", *(part.replace("_", " ") for part in slices)]
    rows = []
    for one, other in pairs:
        mine, theirs = (found[name].evaluation.per_user[f"ndcg@{k}"] for name in (one, other))
        cells = [
            signed(compare(mine[users], theirs[users], samples, seed)) if users.any() else ""
            for users in slices.values()
        ]
        rows.append([one, other, *cells])
    return markdown.table(head, rows)


def reordering_table(
    settings: Sequence[Reordering],
    lists: Sequence[IntArray],
    baseline: IntArray,
    test: TestSet,
    params: Params,
) -> str:
    """What each setting costs in NDCG against the first, and what it brings; the last row is `baseline`'s.

    Args:
        settings: of the blend's order.
        lists: int32[u, k] for each of them.
        baseline: int32[u, k], what the simplest system shows the same users.
        test: the users.
        params: of the evaluation.
    """
    k, samples, seed = params.evaluation.cutoffs[0], params.evaluation.bootstrap_samples, params.seed
    found = [evaluate(part, test, [k], samples, seed) for part in (*lists, baseline)]
    head = ["`diverse`", "`relevance`", "last place", f"ndcg@{k}", "difference", "verdict"]
    head += [f"diversity@{k}", f"coverage@{k}", f"ndcg@{k} of items under {FEW_INTERACTIONS} interactions"]
    names = [
        [str(each.diverse), str(each.relevance), "a new item" if each.new_items else ""] for each in settings
    ]
    rows = []
    for name, numbers in zip([*names, [WITH_FALLBACK, "", ""]], found, strict=True):
        cost = compare(numbers.per_user[f"ndcg@{k}"], found[0].per_user[f"ndcg@{k}"], samples, seed)
        rows.append(
            [
                *name,
                estimate(numbers.slices["all"][f"ndcg@{k}"]),
                signed(cost) if numbers is not found[0] else "",
                cost.verdict if numbers is not found[0] else "",
                f"{numbers.metric(f'diversity@{k}'):.4f}",
                estimate(numbers.slices["all"][f"coverage@{k}"]),
                estimate(numbers.slices[ITEMS][f"ndcg@{k}"]),
            ]
        )
    return markdown.table(head, rows)


def estimate(found: Estimate) -> str:
    """`0.1234 [0.1200, 0.1268]`; empty where there is no number."""
    return markdown.interval(found.value, found.low, found.high)


def signed(found: Difference) -> str:
    """`+0.0123 [+0.0100, +0.0146]`."""
    return markdown.difference(found.difference, found.low, found.high)
