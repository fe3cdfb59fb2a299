"""How much is measured: in a full run, and in a quick one."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scale:
    """
    :ivar rounds: of each measure
    :ivar rows: services in the table, where it is not said otherwise
    :ivar beats: in a filled queue
    :ivar calls: in that of the peer, whose beats are calls
    :ivar seconds: for which callers call
    :ivar processes: of callers
    :ivar threads: in each of them
    :ivar small: rows of the small table for pins
    :ivar large: rows of the large one
    :ivar asked: how often pins are asked for in a round
    :ivar joins: in a round
    :ivar fleet: services that beat
    :ivar fleet_seconds: for how long
    :ivar sizes: of tables in turn, to see what cost depends on them
    :ivar few_rounds: of each measure at each of them
    :ivar rest: seconds for which a conductor is watched that nobody asks
    :ivar others_throughout: whether they are measured where no goal needs it
    :ivar starts: of new processes, to see what an import takes
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
