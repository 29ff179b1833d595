"""Several processes that measure a run: the first one leads, the others see what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganzoo.common.errors import GanzooError
from ganzoo.measure.benches import bench_back, bench_of
from ganzoo.measure.fakes import FAKES, Maker, row_of_fakes
from ganzoo.measure.reference import Bench
from ganzoo.measure.sharing import Sharing
from ganzoo.plugin.registry import Registry
from ganzoo.training.randomness import observing
from ganzoo.training.state import NoMeasures

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts


@contextmanager
def leading(parts: Parts, player: str, bench: Bench) -> Iterator[None]:
    """Have the fakes of a player among what the bench sees, and the other processes see of it."""
    group = parts.group
    if group.count > 1:
        group.say({"player": player, "network": bench.network.sha256})
        with group.first_here():
            pass  # a machine's first process prepares the network for its others
        group.meet()
    bench.share(shared(parts, player, bench))
    try:
        yield
    finally:
        bench.share(Sharing())
    if group.count > 1:
        group.say()


def shared(parts: Parts, player: str, bench: Bench) -> Sharing:
    """Return who looks at which batch, the fakes of ``player`` among them."""
    found = Sharing(parts.group)
    maker = Maker(
        parts.best[player],
        parts.recipe,
        bench.image,
        bench.n_fake,
        device=parts.machine.device,
        labels=bench.asked(),
        inputs=bench.given if bench.translates else None,
    )
    found.rows[FAKES] = row_of_fakes(bench, maker, parts.group)
    return found


class Following(NoMeasures):
    """The measures of a process that is not the first: it sees its share, and knows no score."""

    def __init__(self, parts: Parts, registry: Registry) -> None:
        self.parts, self.registry = parts, registry
        self._benches: dict[str, Bench] = {}

    def take(self, step: int) -> dict[str, float]:  # noqa: ARG002
        """See what the first process asks for, until it has its scores.

        Raises:
            GanzooError: if this process has another feature network.
        """
        group = self.parts.group
        while (order := group.say()) is not None:
            player = str(order["player"])
            with group.first_here(), observing():
                bench = self._bench(player)
            if bench.network.sha256 != order["network"]:
                raise GanzooError(
                    f"process {group.rank} measures with another feature network than process 0: "
                    f"SHA-256 {bench.network.sha256[:12]}, not {order['network'][:12]}; the same "
                    "versions of torch and ganzoo train the same one"
                )
            group.meet()
            sides = (side.network for side in self.parts.sides.values())
            with observing(self.parts.best[player], *sides):
                sharing = shared(self.parts, player, bench)
                bench.share(sharing)
                sharing.follow()
        return {}

    def _bench(self, player: str) -> Bench:
        if player not in self._benches:
            self._benches[player] = (
                bench_of(self.parts, self.registry)
                if player == self.parts.made_by
                else bench_back(self.parts, player, self.registry)
            )
        return self._benches[player]
