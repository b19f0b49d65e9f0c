"""The batches of one iteration after another, prepared while the one before is computed with."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hfnmp_lite.config import META_ORDERS, RunConfig
from hfnmp_lite.data.loaders import DomainBatches, join
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.meta_step import Batch


@dataclass(frozen=True)
class Drawn:
    """What one iteration computes with.

    Attributes
    ----------
    meta_test : list of batches
        K batches of one source domain (or camera, by `RunConfig.episodes`); empty outside
        meta-learning.
    meta_train : batch
        One batch of every other source domain (of as many other cameras), joined; of all domains
        outside meta-learning.
    numbers : dict
        How many batches each domain has given once this iteration is done.
    """

    meta_test: list[Batch]
    meta_train: Batch
    numbers: dict[str, int]


class Supply:
    """An iteration's batches, a function of config, stage and what was drawn before.

    Parameters
    ----------
    config : RunConfig
        What to draw.
    training : sequence of Presentation
        Of the source domains.
    stage : int
        Stages draw different batches.
    rank, world : int
        Process number `rank` of `world` draws every world-th batch of a domain.
    pinned : bool
        Whether batches lie in memory that a GPU reads directly.
    readers : int
        Threads that read frames; their number changes no batch.

    Attributes
    ----------
    unreadable : set of Path
        Frames that could not be read.
    """

    def __init__(
        self,
        config: RunConfig,
        training: Sequence[Presentation],
        stage: int,
        rank: int = 0,
        world: int = 1,
        pinned: bool = False,
        readers: int = 1,
    ) -> None:
        self._config, self._pinned = config, pinned
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self.unreadable: set[Path] = set()
        self._meta = stage == 1 and config.order in META_ORDERS
        groups: dict[str, list[Presentation]] = {}
        for p in training:
            apart = self._meta and config.episodes == "camera"
            groups.setdefault(f"{p.domain}/{p.camera}" if apart else p.domain, []).append(p)
        if self._meta:
            self._check(groups)
        self._domains = {
            name: DomainBatches(
                groups[name],
                config.per_class,
                config.size,
                seed=1000 * stage + config.seed,
                shift=config.shift,
                augment=config.augment,
                first=rank,
                step=world,
                readers=self._readers if readers > 1 else None,
                unreadable=self.unreadable,
            )
            for name in sorted(groups)
        }
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="supply")
        self._ahead: tuple[int, Future[Drawn]] | None = None

    def _check(self, groups: dict[str, list[Presentation]]) -> None:
        for name, group in groups.items():
            if len({p.live for p in group}) < 2:
                missing = "attack" if group[0].live else "live presentation"
                raise InputError(
                    f"'{name}' has no {missing} to learn from; every "
                    f"{self._config.episodes} of the sources needs both classes"
                )
        if len(groups) < 2:
            raise InputError(
                f"meta-learning needs at least 2 domains or cameras, and '{next(iter(groups))}' is "
                "the only one; add a source, or use --order joint"
            )

    def __call__(self, iteration: int) -> Drawn:
        """Return an iteration's batches; asked for in order, they are mostly waiting already."""
        if self._ahead is None:
            self._ahead = iteration, self._thread.submit(self._draw, iteration)
        expected, waiting = self._ahead
        if iteration != expected:
            raise ValueError(f"iteration {iteration} was asked for; expected {expected}, in order")
        drawn = waiting.result()
        self._ahead = iteration + 1, self._thread.submit(self._draw, iteration + 1)
        return drawn

    def go_on(self, numbers: dict[str, int]) -> None:
        """Go on after what `Drawn.numbers` counted."""
        for domain, number in numbers.items():
            self._domains[domain].drawn = number

    def some(self, each: int) -> Batch:
        """Return `each` batches of every domain as one, and begin anew."""
        batches = [b.draw() for _ in range(each) for b in self._domains.values()]
        self.go_on(dict.fromkeys(self._domains, 0))
        return join(batches)

    def close(self) -> None:
        """End the threads."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._readers.shutdown(wait=True, cancel_futures=True)

    def _draw(self, iteration: int) -> Drawn:
        test, train = [], list(self._domains)
        if self._meta:
            rng = np.random.default_rng([self._config.seed, 3, iteration])
            # as many as there are domains, however many cameras those have
            count = max(2, len(self._config.sources))
            chosen, *train = rng.permutation(train)[:count]
            supply = self._domains[chosen]
            test = [self._pin(supply.draw()) for _ in range(self._config.inner_steps)]
        joined = self._pin(join([self._domains[d].draw() for d in train]))
        return Drawn(test, joined, {d: b.drawn for d, b in self._domains.items()})

    def _pin(self, batch: Batch) -> Batch:
        return tuple(t.pin_memory() for t in batch) if self._pinned else batch
