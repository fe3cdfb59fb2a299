"""How much is measured: in a full run, and in a quick one."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scale:
    """The sizes and the durations of a run.

    :ivar rounds: how often each side is measured
    :ivar rows: services in the table, unless a part has its own number
    :ivar beats: beats in a filled queue
    :ivar calls: calls in the filled queue of the peer, whose beats are calls
    :ivar seconds: how long drivers call
    :ivar processes: processes of drivers
    :ivar threads: threads in each of these processes
    :ivar small: rows of the small table for pins
    :ivar large: rows of the large table for pins
    :ivar asked: calls for a pin in a round
    :ivar joins: joins in a round
    :ivar fleet: services of the large fleet
    :ivar fleet_seconds: how long the fleet beats
    :ivar sizes: numbers of rows at which costs are compared
    :ivar few_rounds: rounds at each of these sizes
    :ivar rest: seconds for which a conductor without calls is watched
    :ivar others_throughout: whether peer and limit are measured also where no
        goal needs them
    :ivar starts: new processes, to measure an import
    """

    rounds: int = 5
    rows: int = 10_000
    beats: int = 20_000
    calls: int = 1_000
    seconds: float = 8.0
    processes: int = 2
    threads: int = 4
    small: int = 100
    large: int = 100_000
    asked: int = 500
    joins: int = 1_000
    fleet: int = 20_000
    fleet_seconds: float = 120.0
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    few_rounds: int = 3
    rest: float = 60.0
    others_throughout: bool = True
    starts: int = 7


FULL = Scale()
QUICK = Scale(
    rounds=1,
    beats=3_000,
    calls=200,
    seconds=1.5,
    asked=30,
    joins=200,
    large=5_000,
    fleet_seconds=8.0,
    sizes=(1_000, 10_000),
    few_rounds=1,
    rest=2.0,
    others_throughout=False,
    starts=1,
)


def with_rounds(scale: Scale, rounds: int) -> Scale:
    """The same with another number of rounds."""
    return dataclasses.replace(
        scale, rounds=rounds, few_rounds=min(rounds, scale.few_rounds)
    )
