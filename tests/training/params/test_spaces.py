import numpy as np

from training.params.spaces import Choices, Ladder, Range, including, near, up_to


def test_a_part_is_widened_to_hold_what_ships() -> None:
    part = Range(low=1.0, high=10.0, scale="log")
    assert including(part, 5.0) == part
    assert including(part, 0.5) == Range(low=0.5, high=10.0, scale="log")
    assert including(part, 20.0) == Range(low=1.0, high=20.0, scale="log")
    assert including(Choices(choices=(1, 2)), 2) == Choices(choices=(1, 2))
    assert including(Choices(choices=(1, 2)), 3) == Choices(choices=(1, 2, 3))


def test_a_ladder_ends_with_the_first_step_that_reaches_the_limit() -> None:
    ladder = Ladder(ladder=(64, 128, 256), steepest=1.0)
    assert [up_to(ladder, limit).ladder for limit in (10, 64, 65, 128, 200, 1000)] == [
        (64,),
        (64,),
        (64, 128),
        (64, 128),
        (64, 128, 256),
        (64, 128, 256),
    ]


def test_values_near_the_best_stay_within_the_range() -> None:
    part, generator = Range(low=1.0, high=10.0, scale="log"), np.random.default_rng(0)
    drawn = [near(9.0, part, generator) for _ in range(200)]
    assert max(drawn) == 10.0
    assert min(drawn) > 3.0
