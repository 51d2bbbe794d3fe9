"""A year of a grocer's baskets, generated: `python -m benchmarks.grocers_year FOLDER`.

Its shape is that of a published year of real baskets: 1.47 million lines, 92,331 articles of which 17,428
titles differ (sizes and packings share one), numeric ids, some 2,500 households under UUIDs, and a last day
long ago. Each household lives in one of some forty ways, which prefer some makers, kinds and departments. It
buys mostly from a few hundred articles of its own, some of them in more than one size, and tries others: both
are drawn by popularity and by what its way of life prefers.
"""

import uuid
from pathlib import Path
from random import Random

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

LINES = 1_470_000
ITEMS = 92_331
TITLES = 17_428
HOUSEHOLDS = 2_500
WAYS = 40
BASKET = 9.4  # lines, on average
FIRST_DAY, DAYS = pd.Timestamp("2024-07-01"), 365
_OWN = 300  # articles of a household
_FROM_OWN = 0.7
_TRAITS = ["maker", "kind", "department"]
_TASTE = 1.0  # deviation of the logarithm of a way's preference for one maker, kind or department

_GOODS = {
    "DAIRY": "MILK,YOGURT,BUTTER,CREAM,CHEDDAR CHEESE,COTTAGE CHEESE,EGGS,MARGARINE,SOUR CREAM,CREAM CHEESE",
    "BAKERY": "WHEAT BREAD,WHITE BREAD,BAGELS,DONUTS,MUFFINS,TORTILLAS,HAMBURGER BUNS,CROISSANTS,PIE,CAKE",
    "PRODUCE": "BANANAS,APPLES,GRAPES,TOMATOES,LETTUCE,ONIONS,POTATOES,CARROTS,BROCCOLI,BERRIES",
    "MEAT": "GROUND BEEF,CHICKEN BREAST,BACON,PORK CHOPS,SAUSAGE,HAM,TURKEY,STEAK,MEATBALLS,HOT DOGS",
    "FROZEN": "PIZZA,ICE CREAM,WAFFLES,FISH STICKS,FRENCH FRIES,DINNER,BURRITOS,PEAS,LASAGNE,PIE CRUST",
    "GROCERY": "PASTA,RICE,CEREAL,SOUP,BEANS,PEANUT BUTTER,SALSA,CHIPS,CRACKERS,COOKIES,COFFEE,TEA,SODA",
    "HOUSEHOLD": "DETERGENT,PAPER TOWELS,BATH TISSUE,TRASH BAGS,DISH SOAP,CANDLES,BATTERIES,BLEACH",
    "COSMETICS": "SHAMPOO,TOOTHPASTE,SOAP,LOTION,DEODORANT,MASCARA,LIPSTICK,RAZORS,VITAMINS,COLD REMEDY",
}
_MAKERS = (
    "ACORN,BLUE HILL,CASA,DELTA,EVERDAY,FARMSIDE,GOLDEN,HARVEST,IVY,JUNIPER,KEEL,LAKEVIEW,MAPLE,NORTH STAR"
)
_KINDS = "ORGANIC,LIGHT,CLASSIC,SPICY,SWEET,UNSALTED,LOW FAT,FAMILY,PREMIUM,EXTRA,MINI,ORIGINAL,FRESH,READY"


def catalogue(seed: int = 0) -> pd.DataFrame:
    """ITEMS articles with TITLES titles: ids, titles, makers, kinds, departments, sizes and prices."""
    random, draws = Random(seed), np.random.default_rng(seed)
    titles = [
        (f"{maker} {kind} {good}{second}", maker, kind, department)
        for second in ("", " 2")
        for department, goods in _GOODS.items()
        for good in goods.split(",")
        for maker in _MAKERS.split(",")
        for kind in _KINDS.split(",")
    ]
    titles = random.sample(titles, TITLES)
    of_item = np.concatenate([np.arange(TITLES), draws.integers(0, TITLES, ITEMS - TITLES)])
    ids = draws.choice(np.arange(25_000, 18_000_000), ITEMS, replace=False)
    return pd.DataFrame(
        {
            "product_id": ids,
            "product_name": [titles[place][0] for place in of_item],
            **{
                trait: [titles[place][column] for place in of_item] for column, trait in enumerate(_TRAITS, 1)
            },
            "package_size": [f"{size} OZ" for size in draws.integers(1, 64, ITEMS)],
            "price": draws.lognormal(1.1, 0.6, ITEMS).round(2),
        }
    )


def _preferences(items: pd.DataFrame, draws: np.random.Generator) -> NDArray[np.float64]:
    """WAYS x articles: how likely who lives in this way is to take the article."""
    popularity = draws.permutation(1 / np.arange(1, len(items) + 1) ** 0.8)
    likings = np.tile(popularity, (WAYS, 1))
    for trait in _TRAITS:
        codes, names = pd.factorize(items[trait])
        likings *= draws.lognormal(0, _TASTE, (WAYS, len(names)))[:, codes]
    shares: NDArray[np.float64] = likings / likings.sum(axis=1, keepdims=True)
    return shares


def _other_sizes(
    articles: NDArray[np.int64], items: pd.DataFrame, draws: np.random.Generator
) -> NDArray[np.int64]:
    """For each article one of the same title, often itself."""
    codes, _ = pd.factorize(items["product_name"])
    by_title, count = np.argsort(codes, kind="stable"), np.bincount(codes)
    first = np.cumsum(count) - count
    titles = codes[articles]
    drawn: NDArray[np.int64] = by_title[
        first[titles] + (draws.random(titles.shape) * count[titles]).astype(int)
    ]
    return drawn


def _drawn(
    likings: NDArray[np.float64], ways: NDArray[np.int64], draws: np.random.Generator
) -> NDArray[np.int64]:
    """For each way an article that who lives in it likes."""
    drawn = np.empty(len(ways), dtype=np.int64)
    for way in range(WAYS):
        of_way = np.flatnonzero(ways == way)
        drawn[of_way] = draws.choice(likings.shape[1], len(of_way), p=likings[way])
    return drawn


def baskets(items: pd.DataFrame, seed: int = 0, lines: int = LINES) -> pd.DataFrame:
    """Lines of baskets, in the order of time."""
    draws, random = np.random.default_rng(seed + 1), Random(seed + 1)
    likings, ways = _preferences(items, draws), draws.integers(0, WAYS, HOUSEHOLDS)
    own = _drawn(likings, np.repeat(ways, _OWN), draws).reshape(HOUSEHOLDS, _OWN)
    own[:, 1::4] = _other_sizes(own[:, ::4], items, draws)
    count = int(lines / BASKET)
    sizes = draws.geometric(1 / BASKET, count)
    of_line = np.repeat(np.arange(count), sizes)[:lines]
    of_line = np.concatenate([of_line, np.full(lines - len(of_line), count - 1)])
    keen = draws.lognormal(0, 0.8, HOUSEHOLDS)
    household = draws.choice(HOUSEHOLDS, count, p=keen / keen.sum())
    seconds = np.sort(draws.integers(0, DAYS * 86_400, count))
    favourite = np.minimum(draws.geometric(0.015, lines) - 1, _OWN - 1)
    item = np.where(
        draws.random(lines) < _FROM_OWN,
        own[household[of_line], favourite],
        _drawn(likings, ways[household[of_line]], draws),
    )
    # Every article was bought once at least, if the lines are those of a year.
    missing = np.setdiff1d(np.arange(len(items)), item)[: lines // 15]
    item[draws.choice(lines, len(missing), replace=False)] = missing
    names = np.array([str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(HOUSEHOLDS)])
    times = (FIRST_DAY + pd.to_timedelta(seconds, unit="s")).strftime("%Y-%m-%dT%H:%M:%S")
    return pd.DataFrame(
        {
            "household_id": names[household[of_line]],
            "basket_id": (31_198_000_000 + np.arange(count))[of_line],
            "product_id": items["product_id"].to_numpy()[item],
            "quantity": draws.geometric(0.8, lines),
            "transaction_timestamp": np.asarray(times)[of_line],
        }
    )


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=0)
@click.option("--lines", default=LINES, show_default=True)
def main(folder: Path, seed: int, lines: int) -> None:
    """Write products.parquet and baskets.parquet into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    items = catalogue(seed)
    items.drop(columns=["maker", "kind"]).to_parquet(folder / "products.parquet")
    baskets(items, seed, lines).to_parquet(folder / "baskets.parquet")


if __name__ == "__main__":
    main()
