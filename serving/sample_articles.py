"""The 12 sample articles: three each of Tech, Nature, Food and Finance. Written for this project."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One article."""

    category: str
    title: str
    content: str


SAMPLES = (
    Sample(
        "Tech",
        "How a neural network learns",
        "A network starts with random weights, guesses, and is told how wrong it was. Backpropagation "
        "passes the blame from the last layer to the first, and each weight moves a little the other "
        "way. After many thousands of examples the guesses become good: that is all that training "
        "means.",
    ),
    Sample(
        "Tech",
        "Choosing a database for a small web shop",
        "Most shops never outgrow one relational database. Start with PostgreSQL, add indexes for the "
        "queries you really run, back it up every night and try the backup once a month. Sharding can "
        "wait until a single server no longer keeps up, which for most is never.",
    ),
    Sample(
        "Tech",
        "What quantum computers may do to encryption",
        "A large quantum computer could factor the big numbers behind today's public keys. Nobody has "
        "one yet, but letters stored now could be read then, so browsers and banks are moving to new "
        "algorithms whose riddles stay hard for both kinds of machine.",
    ),
    Sample(
        "Nature",
        "Why forests talk underground",
        "Below the leaves, threads of fungi tie the roots of trees together. Sugar flows one way, "
        "water and minerals the other, and a tree that insects attack may warn its neighbours. A "
        "clearing cut through the wood also cuts these threads.",
    ),
    Sample(
        "Nature",
        "How birds find their way across oceans",
        "Migrating birds steer by the sun, by the stars and by the planet's magnetic field, which "
        "some of them seem to see. Young ones fly their first journey alone and still arrive, for the "
        "direction is inherited; the details they learn on the way.",
    ),
    Sample(
        "Nature",
        "The slow return of the river beaver",
        "Where beavers build, streams become chains of ponds. Floods arrive later and lower, fish "
        "find deep water in dry summers, and frogs return within a year. Farmers who lose a field "
        "edge are paid for it in the valleys where this works best.",
    ),
    Sample(
        "Food",
        "Carbonara without cream",
        "Fry cured pork slowly until its fat runs. Beat yolks with grated pecorino and much black "
        "pepper. Drain the spaghetti, keep a cup of its water, and toss everything off the heat: the "
        "starch and the eggs make the sauce, and no cream is needed.",
    ),
    Sample(
        "Food",
        "A sourdough loaf in one weekend",
        "Feed the starter on Friday evening. Mix flour, water and salt on Saturday, fold the dough "
        "every half hour until it holds its shape, and let it rest in the fridge overnight. Bake it "
        "in a closed hot pot on Sunday, the last minutes without the lid, for the crust.",
    ),
    Sample(
        "Food",
        "Keeping vegetables crisp in a stir-fry",
        "Cut everything before the pan is hot. Cook in small batches over the strongest flame, the "
        "carrots before the greens, and add the sauce at the very end. A crowded wok steams its "
        "vegetables, and steam is what makes them limp.",
    ),
    Sample(
        "Finance",
        "Compound interest, told with one coin",
        "A coin that earns five percent becomes two in fourteen years, four in twenty-eight and eight "
        "in forty-two. The first years look like nothing; the last ones do most of the work. That is "
        "why starting to save early matters more than saving much.",
    ),
    Sample(
        "Finance",
        "Why index funds beat most experts",
        "An index fund owns a little of every company and charges almost nothing. Professional stock "
        "pickers as a group own the same market, minus their fees, so on average they must earn less. "
        "A few win each year; rarely the same ones twice.",
    ),
    Sample(
        "Finance",
        "Building a budget that survives a bad month",
        "Write down what arrives and what must leave: rent, food, insurance, debt. Put three months "
        "of that aside before any investment, in an account you do not see every day. A budget "
        "without a cushion breaks at the first broken washing machine.",
    ),
)
