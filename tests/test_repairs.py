"""Repairs by share of attacks and number of pictures: what is drawn, what is judged."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.evaluate import adapt
from hfnmp_lite.evaluate.scoring import Scored
from hfnmp_lite.experiments import repairs
from hfnmp_lite.files import InputError


def people(number=20, live=2, attacks=4):
    some = Presentation("s", "webcam", "s", True, None, None, (Path("f.jpg"),))
    return [
        replace(
            some,
            id=f"{i}-{j}",
            subject=f"{i}",
            live=j < live,
            attack_type=None if j < live else "print",
        )
        for i in range(number)
        for j in range(live + attacks)
    ]


@pytest.mark.parametrize("share", repairs.SHARES)
def test_the_share_is_drawn_and_the_number_is_the_same_at_each(share):
    drawn = repairs.draw(people(), 40, share, seed=0)
    assert len({p.id for p in drawn}) == 40
    assert sum(not p.live for p in drawn) == round(40 * share)
    assert drawn == repairs.draw(people(), 40, share, seed=0)
    assert drawn != repairs.draw(people(), 40, share, seed=1)


def test_the_largest_number_fits_every_share():
    here = people()  # 40 live, 80 attacks: 90 % live allow 44 at most
    assert repairs.largest_number(here) == 44
    for share in repairs.SHARES:
        repairs.draw(here, 44, share, seed=0)
    with pytest.raises(InputError, match="there are 40"):
        repairs.draw(here, 50, 0.1, seed=0)


def test_a_quantile_is_right_at_the_sources_share_and_wrong_by_as_much_as_it_is_off(monkeypatch):
    """Scores that rank without an error, shifted below the sources' threshold."""
    target = people()
    rng = np.random.default_rng(0)

    def scores(_, presentations, size=128):
        return [
            Scored(
                p.id,
                p.domain,
                p.subject,
                p.live,
                p.attack_type,
                p.instrument,
                1,
                0.1 + 0.1 * p.live + x,
            )
            for p, x in zip(presentations, rng.uniform(0, 0.05, len(presentations)), strict=True)
        ]

    stub = SimpleNamespace(threshold=0.5, share_rejected=2 / 3, config={})
    settings = SimpleNamespace(from_dict=lambda _: SimpleNamespace(size=64))
    monkeypatch.setattr("hfnmp_lite.evaluate.scoring.score_presentations", scores)
    monkeypatch.setattr(adapt, "score_presentations", scores)
    monkeypatch.setattr(adapt, "adapt_statistics", lambda detector, *_: detector)
    monkeypatch.setattr(repairs, "RunConfig", settings)
    found = repairs.measure(stub, target, progress=False)
    assert found["hter"] == 0.5
    by_share = {cell["share"]: cell["hter_quantile"] for cell in found["shares"]}
    assert by_share[0.67] < 0.03
    # two thirds are rejected, whatever they are: half of the live ones' share, or of the attacks'
    assert by_share[0.10] == pytest.approx((2 / 3 - 0.1) / 0.9 / 2, abs=0.04)
    assert by_share[0.90] == pytest.approx((1 / 3 - 0.1) / 0.9 / 2, abs=0.04)
    numbers = [cell["number"] for cell in found["numbers"]]
    assert numbers == [n for n in repairs.NUMBERS if n <= 60]
