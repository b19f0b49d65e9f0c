"""An attack taken apart and put together again is the attack that the simulator renders."""

from dataclasses import replace

import numpy as np
import pytest

from hfnmp_lite.simulate import scene
from hfnmp_lite.simulate.devices import draw_camera, draw_screen
from hfnmp_lite.simulate.domains import DOMAINS
from hfnmp_lite.teach import cue_figures
from hfnmp_lite.teach.cue_layers import FINE, take_apart

VIVID = DOMAINS["handheld"].displays[0]
ON = {"fine": 1, "glare": 1, "bands": 1, "bezel": True, "gamut": True}


@pytest.fixture(scope="module", params=["print", "replay"])
def attack(request):
    """An attack that shows every cue of its kind: halftone or grid, gloss or panes, an edge."""
    drawn = scene.draw_subject_takes("phone", 0, 5813, presentations=1, frames=1)
    take = drawn[scene.Key(0, request.param)][0]
    handheld = DOMAINS["handheld"]
    camera = draw_camera(np.random.default_rng(1), handheld.cameras[-1], handheld.lights[0])
    shown = {"sides": (0.06, -1.0, 2.0, 0.95), "pitch": 1.2 / camera.n}
    if request.param == "print":
        shown |= {"gloss": 0.2, "gloss_at": (0.0, 0.0), "gloss_width": 0.03, "band_amplitude": 0.03}
    else:
        shown |= {"panes": draw_screen(np.random.default_rng(1), VIVID, preset="vivid").panes}
    medium = replace(take.medium, **shown)
    take = replace(take, domain="handheld", camera=camera, medium=medium)
    return take, take_apart(take), scene.render(take)


def off(image, without):
    return np.abs(image.astype(float) - without).max(2)


def test_all_parts_together_are_the_attack(attack):
    _, layers, whole = attack
    assert off(layers.capture(**ON), whole.image).mean() < 0.6
    assert layers.settings == whole.settings


@pytest.mark.parametrize("part", ON)
def test_a_part_left_out_is_a_cue_switched_off(attack, part):
    take, layers, whole = attack
    cue = FINE[take.attack_type] if part == "fine" else part
    without = scene.render(take, cues=scene.ALL - {cue}, settings=whole.settings).image
    given = layers.capture(**(ON | {part: 0}))
    assert off(given, without).mean() < 0.6
    assert off(whole.image, without).mean() > 2 * off(given, without).mean()


def test_all_parts_left_out_are_the_bare_picture(attack):
    take, layers, whole = attack
    bare = scene.render(take, cues=frozenset(), settings=whole.settings).image
    np.testing.assert_array_equal(layers.bare, bare)


def test_more_is_more(attack):
    _, layers, _ = attack
    changes = [
        off(layers.capture(**(ON | {"fine": strength})), layers.capture(**(ON | {"fine": 0})))
        for strength in (0.5, 1, 2)
    ]
    means = [change.mean() for change in changes]
    assert 0 < means[0] < means[1] < means[2]


def test_a_live_face_cannot_be_taken_apart():
    take = scene.draw_subject_takes("phone", 0, 0)[scene.Key(0, None)][0]
    with pytest.raises(ValueError, match="live; expected print or replay"):
        take_apart(take)


def test_samples_cannot_tell_a_frequency_from_its_fold():
    at = np.arange(50)
    for frequency in (0.1, 0.5, 0.62, 0.98, 1.0, 1.37, 2.75, -0.3):
        seen = cue_figures.fold(frequency)
        assert 0 <= seen <= 0.5
        one, other = (np.cos(2 * np.pi * f * at) for f in (frequency, seen))
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_moire_appears_where_the_beat_of_the_two_grids_is(attack):
    take, _, _ = attack
    at = cue_figures.moire_at(take, 128)
    if take.attack_type == "print":
        assert at.shape == (0, 2)
        return
    # the grid's phase at a pixel and at its right and lower neighbour, 256 pixels across
    medium, pixel = take.medium, 1 / 256
    places = (np.arange(cue_figures.PLACES) + 0.5) / cue_figures.PLACES
    x, y = np.meshgrid(places, places)

    def phase(sx, sy):
        px, py = take.view.at(sx, sy)
        return (np.cos(medium.turn) * px + np.sin(medium.turn) * py) / medium.pitch

    steps = [phase(x + pixel, y) - phase(x, y), phase(x, y + pixel) - phase(x, y)]
    beat = np.stack([(s + 0.5) % 1 - 0.5 for s in steps], -1).reshape(-1, 2)
    np.testing.assert_allclose(at, 2 * beat, atol=0.02)


@pytest.mark.parametrize("domain", DOMAINS)
def test_pitches_are_those_of_the_takes(domain):
    """p = 25.4 n / (ppi W) in sensor pixels, at its smallest and largest."""
    low, high = cue_figures.seen_pitches(domain)
    found = []
    for subject in range(60):
        drawn = scene.draw_subject_takes(domain, 0, subject, frames=1, kinds=("replay",))
        found += [take.medium.pitch * take.camera.n for (take,) in drawn.values()]
    assert low <= min(found)
    assert max(found) <= high
    assert max(found) - min(found) > 0.5 * (high - low)


def test_the_difference_is_in_standard_deviations():
    rng = np.random.default_rng(0)
    a, b = rng.normal(10, 2, 100_000), rng.normal(13, 2, 100_000)
    assert cue_figures.difference(a, b) == pytest.approx(1.5, abs=0.02)
    assert cue_figures.difference(5 * b - 3, 5 * a - 3) == pytest.approx(-1.5, abs=0.02)
