"""Scenes and cue maps: nothing but the medium differs, and a cue is where its map says."""

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest

from hfnmp_lite.simulate import camera, cues, scene
from hfnmp_lite.simulate.domains import DOMAINS
from hfnmp_lite.simulate.geometry import CUES

SIZE = 64  # small sensors: these tests are about structure
KINDS = (None, "print", "replay", "null")


@pytest.fixture(scope="module")
def drawn() -> dict:
    return {
        name: scene.draw_subject_takes(name, 3, 1, presentations=1, kinds=KINDS) for name in DOMAINS
    }


def take(drawn, domain: str, kind: str | None, frame: int = 0) -> scene.Take:
    return drawn[domain][scene.Key(0, kind)][frame]


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_live_and_attacks_share_face_pose_camera_and_view(drawn, domain):
    for frame in range(scene.FRAMES):
        live = take(drawn, domain, None, frame)
        for kind in KINDS[1:]:
            attack = take(drawn, domain, kind, frame)
            assert attack.subject == live.subject
            assert attack.camera == live.camera
            assert attack.view == live.view
            assert attack.noise_seed != live.noise_seed
            # a print shows one picture in all frames; a replay moves on
            first = take(drawn, domain, None, 0)
            assert attack.shot == (first.shot if kind == "print" else live.shot)


def test_kinds_frames_and_decoys_do_not_change_other_draws(drawn):
    fewer = scene.draw_subject_takes("phone", 3, 1, presentations=1, frames=1, kinds=("replay",))
    assert fewer[scene.Key(0, "replay")][0] == take(drawn, "phone", "replay")
    marked = scene.draw_subject_takes("phone", 3, 1, presentations=1, decoy=True)
    for key, takes in marked.items():
        for index, one in enumerate(takes):
            plain = drawn["phone"][key][index]
            names = [f.name for f in fields(scene.Take) if f.name != "decoy"]
            assert all(getattr(one, name) == getattr(plain, name) for name in names)


POSE = ("yaw", "pitch", "roll", "zoom", "offset_x", "offset_y", "smile", "key_x", "key_y", "key_z")


@pytest.mark.parametrize("factor", ["cameras", "attackers", "printers", "displays", "lights"])
@pytest.mark.parametrize(("home", "away"), [("webcam", "phone"), ("phone", "mixed")])
def test_one_factor_exchanged_keeps_people_poses_view_and_all_else_to_the_bit(home, away, factor):
    home, away = DOMAINS[home], DOMAINS[away]
    other = replace(home, **{factor: getattr(away, factor)})
    exchanged = set()
    for subject in range(3):
        before, after = (
            scene.draw_subject_takes(d, 3, subject, kinds=KINDS) for d in (home, other)
        )
        for key in before:
            for one, two in zip(before[key], after[key], strict=True):
                assert two.subject == one.subject
                assert two.view == one.view
                assert all(getattr(two.shot, name) == getattr(one.shot, name) for name in POSE)
                same = ("noise_seed", "attacker_seed", "room_seed", "attack_type")
                assert all(getattr(two, name) == getattr(one, name) for name in same)
                different = {
                    f.name for f in fields(one) if getattr(one, f.name) != getattr(two, f.name)
                }
                exchanged |= different
                # a darker room makes every camera noisier, and a display brighter beside it
                allowed = {
                    "cameras": {"camera"},
                    "attackers": {"attacker"},
                    "printers": {"medium"} if key.kind == "print" else set(),
                    "displays": {"medium"} if key.kind == "replay" else set(),
                    "lights": {"light", "shot", "camera", "attacker", "medium"},
                }[factor]
                assert different <= allowed
                if factor == "printers" and key.kind == "print":
                    held = ("turn", "phases", "bend", "bend_axis", "sides", "rim", "gloss_at")
                    assert all(getattr(one.medium, n) == getattr(two.medium, n) for n in held)
    assert exchanged >= {"cameras": {"camera"}, "lights": {"light", "shot"}}.get(factor, set())
    assert exchanged


def test_two_lists_of_one_length_are_chosen_from_alike():
    """The second light of one data set where the other has its second."""
    home = DOMAINS["phone"]
    renamed = [replace(light, name=f"{light.name} again") for light in home.lights]
    other = replace(home, lights=tuple(renamed))
    for subject in range(6):
        before, after = (scene.draw_subject_takes(d, 0, subject) for d in (home, other))
        assert all(after[k][0].light == f"{before[k][0].light} again" for k in before)


def test_every_device_of_a_data_set_is_used_and_named():
    for domain in DOMAINS.values():
        seen = {kind: set() for kind in ("camera", "attacker", "print", "replay", "light")}
        for subject in range(30):
            drawn = scene.draw_subject_takes(domain, 0, subject, frames=1)
            for key, (one,) in drawn.items():
                seen["camera"].add(one.camera.name)
                seen["light"].add(one.light)
                if key.kind is None:
                    assert scene.instrument(one) is None
                else:
                    seen["attacker"].add(one.attacker.name)
                    seen[key.kind].add(scene.instrument(one))
        wanted = zip(
            seen,
            (domain.cameras, domain.attackers, domain.printers, domain.displays, domain.lights),
            strict=True,
        )
        for kind, devices in wanted:
            assert seen[kind] == {d.name for d in devices}


def test_a_brighter_display_looks_brighter_in_the_room_of_the_face(drawn):
    """The camera meters the room, whose light does not depend on what is held up in it."""
    one = take(drawn, "mixed", "replay")
    rooms = [scene._room(take(drawn, "mixed", kind), SIZE, None) for kind in (None, "replay")]
    assert rooms[0] == rooms[1]
    means = {}
    for crop in (0.0, 1.0):
        seen = replace(one.camera, crop=crop)
        for factor in (1.0, 1.4):
            medium = replace(one.medium, brightness=factor * one.medium.brightness, veil=(0.0,) * 4)
            medium = replace(medium, panes=(), sides=(-1.0, -1.0, 2.0, 2.0))
            means[crop, factor] = scene.render(
                replace(one, camera=seen, medium=medium), SIZE
            ).image.mean()
    assert means[0.0, 1.4] - means[0.0, 1.0] > 10
    assert abs(means[1.0, 1.4] - means[1.0, 1.0]) < 2


def test_skin_tones_take_turns_and_people_differ_between_domains():
    people = [
        scene.draw_subject_takes(d, 0, i, presentations=1, frames=1, kinds=(None,))
        for d in ("webcam", "phone")
        for i in range(10)
    ]
    subjects = [p[scene.Key(0, None)][0].subject for p in people]
    assert [s.tone for s in subjects] == 2 * list(range(1, 11))
    assert len(set(subjects)) == 20


def test_decoys_fall_on_all_classes_alike():
    counts = dict.fromkeys(scene.KINDS, 0)
    for i in range(60):
        for key, takes in scene.draw_subject_takes("webcam", 0, i, decoy=True).items():
            counts[key.kind] += sum(t.decoy is not None for t in takes)
    # 240 fair coins each: 120 +- 5 standard deviations
    assert all(abs(count - 120) < 39 for count in counts.values())


def test_a_decoy_is_where_its_map_says():
    takes = scene.draw_subject_takes("phone", 0, 0, decoy=True)
    marked = next(t for ts in takes.values() for t in ts if t.decoy is not None)
    plain = replace(marked, decoy=None)
    with_mark, without = scene.render(marked, SIZE), scene.render(plain, SIZE)
    mask = with_mark.envelopes["decoy"]
    difference = np.abs(with_mark.rgb_before_jpeg - without.rgb_before_jpeg).max(-1)
    assert 0.003 < (mask > 0.5).mean() < 0.1
    assert difference[mask == 0].max() == 0
    assert difference[mask > 0.5].max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_rendering_is_a_pure_function(drawn, kind):
    one, two = (scene.render(take(drawn, "handheld", kind), SIZE) for _ in range(2))
    assert one.jpeg == two.jpeg
    assert one.image.shape == (SIZE, SIZE, 3)
    assert one.image.dtype == np.uint8
    np.testing.assert_array_equal(one.rgb_before_jpeg, two.rgb_before_jpeg)


def test_an_ideal_copy_differs_from_the_live_face_by_its_noise_alone(drawn):
    live, copy = take(drawn, "phone", None), take(drawn, "phone", "null")
    copy = replace(copy, noise_seed=live.noise_seed)
    one, two = scene.render(live, SIZE), scene.render(copy, SIZE)
    assert np.abs(one.rgb_before_jpeg - two.rgb_before_jpeg).max() < 1e-3


def test_cues_off_keep_exposure_white_balance_and_size(drawn):
    for kind in ("print", "replay"):
        one = take(drawn, "phone", kind)
        full = scene.render(one, SIZE)
        for cue in scene.CUES_OF[kind]:
            without = scene.render(one, SIZE, scene.ALL - {cue})
            assert without.settings == full.settings
        bare = cues.only(one, frozenset(), SIZE)
        assert bare.settings != full.settings
        assert all(envelope.max() == 0 for envelope in bare.envelopes.values())
        # each switch has an effect of its own, and a cue of the other medium has none
        other = "moire" if kind == "print" else "halftone"
        assert scene.render(one, SIZE, scene.ALL - {other}).jpeg == full.jpeg


@pytest.mark.parametrize(
    ("kind", "cue"), [("print", "bezel"), ("replay", "bezel"), ("print", "glare")]
)
def test_no_difference_outside_the_support_before_jpeg(kind, cue):
    found = 0
    domain = next(
        d
        for d in DOMAINS.values()
        if (d.edges > 0 if cue == "bezel" else all(p.gloss[1] > 0 for p in d.printers))
    )
    for subject in range(40):
        takes = scene.draw_subject_takes(domain, 0, subject, presentations=1, frames=1)
        one = takes[scene.Key(0, kind)][0]
        inside = support(one, cue)
        if not inside.any() or inside.all():
            continue
        result = cues.counterfactual(one, cue, SIZE)
        assert result.soft_before_jpeg[~inside].max() == 0
        assert result.soft_before_jpeg[inside].max() > 1
        found += 1
        if found == 2:
            return
    pytest.fail("no two takes whose cue covers a part of the picture")


def support(one: scene.Take, cue: str) -> np.ndarray:
    """Where light itself differs, widened by the reach of the camera's filters, at output size."""
    full, without = (
        scene._present(one, SIZE, on, None).irradiance for on in (scene.ALL, scene.ALL - {cue})
    )
    changed = (np.abs(full - without).max(-1) > 0).astype(np.float32)
    reach = 2 * (2 + 2 + 4 + 4) + 1  # mosaic, denoise (luma, chroma), unsharp
    wide = camera.cv2.dilate(changed, np.ones((reach, reach)))
    return camera.resize(wide, SIZE) > 0


def test_mask_envelope_and_names_of_a_counterfactual(drawn):
    one = take(drawn, "handheld", "replay")
    result = cues.counterfactual(one, "moire", SIZE)
    np.testing.assert_array_equal(result.mask, result.soft_before_jpeg > 6)
    assert result.envelope.shape == (SIZE, SIZE)
    assert result.full.settings == result.without.settings
    assert cues.counterfactual(one, "gamut", SIZE).envelope is None
    assert "gamut" not in cues.LOCATED
    assert set(cues.LOCATED) < set(CUES)
    with pytest.raises(ValueError, match="a live face has no cue 'moire'"):
        cues.counterfactual(take(drawn, "phone", None), "moire", SIZE)
    with pytest.raises(ValueError, match="unknown cues"):
        scene.render(one, SIZE, frozenset({"sparkle"}))


def test_moire_changes_the_picture_where_its_envelope_is_strong():
    found = 0
    for domain, subject in product(DOMAINS, range(4)):
        takes = scene.draw_subject_takes(domain, 0, subject, presentations=1, frames=1)
        result = cues.counterfactual(takes[scene.Key(0, "replay")][0], "moire", SIZE)
        if result.envelope.mean() > 0.03:
            assert result.soft_before_jpeg.mean() > 1
            found += 1
    assert found


def test_description_is_small_json(drawn):
    import json

    for kind in KINDS:
        one = take(drawn, "mixed", kind)
        text = json.dumps(scene.describe(one, scene.render(one, SIZE)), separators=(",", ":"))
        assert len(text) < 1900
