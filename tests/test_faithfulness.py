"""Faithfulness: measures against hand-worked cases, and models whose answer is known."""

import json
import re
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from hfnmp_lite import HFN, Detector, LocalBinaryPattern, MetaPatternExtractor, save_checkpoint
from hfnmp_lite.data import samples
from hfnmp_lite.data.loaders import to_batch
from hfnmp_lite.explain import answers, attribution, faithfulness, measures, table
from hfnmp_lite.explain.cue_sets import Person, cue_set, draw_person
from hfnmp_lite.explain.examine import METHODS, edges, examine
from hfnmp_lite.explain.response import respond
from hfnmp_lite.files import InputError
from hfnmp_lite.model.network import Output
from hfnmp_lite.simulate import cues, scene
from hfnmp_lite.simulate.domains import DOMAINS

SIZE = 64


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(table, "RESAMPLES", 200)


class Looks(nn.Module):
    """Reads one place alone: margin = -gain times the mean brightness there."""

    streams, map_in_score = 2, True

    def __init__(self, where, of_pattern=False, gain=20.0):
        super().__init__()
        self.where, self.of_pattern, self.gain = torch.as_tensor(where), of_pattern, gain

    def forward(self, images, pattern):
        seen = (pattern if self.of_pattern else images).mean(1)
        margin = -self.gain * (seen * self.where).sum((1, 2)) / self.where.sum()
        logits = torch.stack([-margin / 2, margin / 2], 1)
        return Output(logits, torch.sigmoid(margin)[:, None, None, None])


def looking_at(where, extractor=None, **settings):
    return Detector(extractor or LocalBinaryPattern(), Looks(where, **settings)).eval()


@pytest.fixture(scope="module")
def person():
    """Somebody whose replay shows a bezel and whose print shows glare of part of the picture."""
    for number in range(60):
        found = draw_person("mixed", 41, number, SIZE)
        print_, replay = found.attacks
        if replay.member["bezel"].mean() > 0.02 and 0.02 < print_.member["glare"].mean() < 0.4:
            return found
    raise AssertionError("nobody like that was drawn")


# --- measures -----------------------------------------------------------------------------------


def test_membership_is_whole_above_six_levels():
    change = np.array([0.0, 1.5, 3.0, 6.0, 200.0])
    np.testing.assert_allclose(measures.membership(change), [0, 0.25, 0.5, 1, 1])


def test_share_and_pointing_by_hand():
    member = np.array([[1.0, 0.5], [0.0, 0.0]])
    values = np.array([[-3.0, 1.0], [0.5, -0.5]])
    assert measures.share_inside(values, member) == pytest.approx((3 + 0.5) / 5)
    assert measures.pointing(values, member) == 1
    assert measures.evidence_inside(values, member) == -2.5
    assert measures.pointing(np.array([[1.0, -2.0], [2.0, 0.0]]), member) == 0.25  # a tie
    flat = np.ones((2, 2))
    assert measures.pointing(flat, member) == measures.share_inside(flat, member) == member.mean()
    assert np.isnan(measures.share_inside(0 * flat, member))
    assert measures.pointing(0 * flat, member) == member.mean()


def test_rank_correlation_is_scipys_also_with_weights():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40), rng.normal(size=40)
    assert measures.rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    times = rng.integers(0, 4, 40)
    expected = stats.spearmanr(np.repeat(a, times), np.repeat(b, times)).statistic
    large = rng.integers(0, 9**9, (2, 50_000))  # a map's pixels: nothing may grow with the square
    expected_large = stats.spearmanr(*large).statistic
    assert measures.rank_correlation(*large) == pytest.approx(expected_large)
    few = np.zeros(40)
    few[:2] = 1
    many = np.stack([times, np.ones(40), few]).astype(float)
    found = measures.rank_correlations(a, b, many)
    np.testing.assert_allclose(found, [expected, stats.spearmanr(a, b).statistic, np.nan])
    assert np.isnan(measures.rank_correlation(np.full(9, 0.1), np.arange(9)))


def test_patches_fade_and_their_sums_agree_with_what_was_replaced():
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.normal(size=(SIZE, SIZE))).float()

    class Linear(Looks):
        def forward(self, images, pattern):
            margin = (images.mean(1) * weights).sum((1, 2))
            return Output(torch.stack([0 * margin, margin], 1), margin[:, None, None, None])

    detector = Detector(LocalBinaryPattern(), Linear(np.ones((SIZE, SIZE)))).eval()
    image, other = torch.rand(2, 1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    answer = measures.replacing(detector, image, other)
    rows, columns = measures.grid(SIZE, SIZE)
    assert (rows, columns) == (16, 16)
    masks = rng.random((20, rows, columns)) < 0.3
    masks[0], masks[1] = False, True
    found = answer(masks)
    worth = ((other - image).mean(1)[0] * weights).numpy()
    expected = found[0] + (masks * measures.patch_sums(worth)).sum((1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    both = respond(detector, torch.cat([image, other]))
    np.testing.assert_allclose(found[:2], both, atol=1e-5)


def test_patches_are_replaced_from_the_lowest_value_up():
    order = np.array([[3.0, -1.0], [0.0, 2.0]])
    masks = measures.replaced_in_turn(order, steps=4)
    assert masks.sum((1, 2)).tolist() == [0, 1, 2, 3, 4]
    assert masks[1, 0, 1]
    assert masks[2, 1, 0]
    assert not masks[3, 0, 0]
    assert measures.area(np.array([0.0, 1.0, 1.0])) == 0.75


def test_new_weights_start_at_the_heads_and_leave_the_network_alone():
    torch.manual_seed(3)
    detector = Detector(MetaPatternExtractor(), HFN()).eval()
    before = {k: v.clone() for k, v in detector.state_dict().items()}

    def changed(how_far):
        fresh = measures.drawn_anew(detector, how_far)
        assert not any(m.training for m in fresh.modules())
        return {k for k, v in fresh.state_dict().items() if not torch.equal(v, before[k])}

    heads, deep, everything = (changed(far) for far in measures.HOW_FAR)
    assert heads == {k for k in before if "map_head" in k or "classifier" in k}
    assert heads < deep < everything
    assert not any("layer1" in k or "extractor" in k or "trunk.conv1" in k for k in deep)
    assert any("layer4" in k for k in deep)
    assert any("fusion" in k for k in deep)
    weights = {k for k in before if k.endswith("weight") and before[k].ndim > 1}
    assert weights <= everything
    assert all(torch.equal(v, before[k]) for k, v in detector.state_dict().items())


# --- known cues ---------------------------------------------------------------------------------


def test_cue_sets_are_the_simulators_counterfactuals():
    drawn = scene.draw_subject_takes("phone", 5, 3, presentations=1, frames=1)
    for kind in ("print", "replay"):
        (take,) = drawn[scene.Key(0, kind)]
        found = cue_set(take, "somebody", SIZE)
        assert set(found.without) == set(found.alone) == set(scene.CUES_OF[kind])
        assert "gamut" not in found.member
        for cue, without in found.without.items():
            expected = cues.counterfactual(take, cue, SIZE)
            assert np.array_equal(without, expected.without.image)
            assert np.array_equal(found.image, expected.full.image)
            if cue != "gamut":
                sure = found.member[cue] >= 1
                assert np.array_equal(sure, expected.mask | (expected.soft_before_jpeg == 6))
        (alone,) = (scene.CUES_OF[kind][0],)
        image = cues.only(take, frozenset({alone}), SIZE).image
        assert np.array_equal(found.alone[alone], image)
        assert np.array_equal(found.bare, cues.only(take, frozenset(), SIZE).image)
    with pytest.raises(ValueError, match="live face"):
        cue_set(drawn[scene.Key(0, None)][0], "somebody", SIZE)


def test_people_come_with_live_attacks_and_decoys_of_any_class():
    kinds = set()
    for number in range(4):
        found = draw_person("webcam", 9, number, 32)
        assert len(found.live) == 1
        assert [a.attack_type for a in found.attacks] == ["print", "replay"]
        if found.decoy is not None:
            kinds.add(found.decoy.attack_type)
            changed = (found.decoy.image != found.decoy.without).any(2)
            assert changed[found.decoy.member > 0.5].all()
    assert len(kinds) >= 2


# --- planted models -----------------------------------------------------------------------------


@pytest.mark.parametrize("of_pattern", [False, True])
def test_a_model_that_looks_only_at_the_cue_is_found_out(person, of_pattern):
    """Whether it reads the cue's place in the image or in LBP: occlusion is defined for both."""
    attack = person.attacks[1]
    where = attack.member["bezel"]
    detector = looking_at(where, of_pattern=of_pattern)
    x = to_batch([attack.image])
    values = attribution.occlusion(detector, x, window=8, stride=4).map[0]
    near = np.asarray(torch.nn.functional.max_pool2d(torch.tensor(where)[None, None], 17, 1, 8))
    assert measures.pointing(values, near[0, 0]) > 0.9
    assert measures.share_inside(values, where) > 1.5 * where.mean()
    assert measures.share_inside(values, near[0, 0]) > 0.99
    elsewhere = np.abs(values)[near[0, 0] == 0]
    assert not elsewhere.any()
    gradients = attribution.integrated_gradients(detector, x).map[0]
    if of_pattern:
        assert not gradients.any()  # and its completeness error says so
    else:
        assert measures.share_inside(gradients, where) > 0.7
        assert not gradients[where == 0].any()


def test_deletion_prefers_the_explanation_that_knows_the_place(person):
    attack = person.attacks[1]
    detector = looking_at(attack.member["bezel"], gain=-20.0)  # a dark bezel speaks for attack
    x, other = to_batch([attack.image]), to_batch([attack.unmarked])
    answer = measures.replacing(detector, x, other)
    knowing = attribution.occlusion(detector, x, baseline=other).map[0]
    blind = np.random.default_rng(0).random((SIZE, SIZE))
    areas = {}
    for name, values in (("knowing", knowing), ("blind", blind), ("wrong", -knowing)):
        deleted, inserted = measures.deletion_and_insertion(answer, measures.patch_sums(values))
        areas[name] = measures.area(deleted), measures.area(inserted)
        ends = respond(detector, torch.cat([x, other])).numpy()
        np.testing.assert_allclose(deleted[[0, -1]], ends, atol=1e-4)
        np.testing.assert_allclose(inserted[[0, -1]], ends[::-1], atol=1e-4)
    assert areas["knowing"][0] > areas["blind"][0] > areas["wrong"][0]
    assert areas["knowing"][1] < areas["blind"][1] < areas["wrong"][1]


def records_of(detector, people, network, stability_of=None):
    found = [r for p in people for r in examine(detector, p, "margin", stability_of=stability_of)]
    return [{"network": network, **r} for r in found]


@pytest.fixture(scope="module")
def examined(person):
    """One planted model before somebody, and what it says."""
    replay_alone = Person(person.domain, person.subject, person.live, person.attacks[1:], None)
    detector = looking_at(person.attacks[1].member["bezel"], gain=-20.0)
    planted = _without_grad_cam(detector, replay_alone)
    return replay_alone, planted


def _without_grad_cam(detector, person):
    kept = {name: asked for name, asked in METHODS.items() if asked.method != "gradcam"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hfnmp_lite.explain.examine.METHODS", kept)
        return records_of(detector, [person], "planted")


def test_records_tell_what_was_planted(examined):
    person, records = examined
    (attack,) = [r for r in records if r["what"] == "attack"]
    (live,) = [r for r in records if r["what"] == "live"]
    detector = looking_at(person.attacks[0].member["bezel"], gain=-20.0)
    images = to_batch([person.live[0], person.attacks[0].without["bezel"]])
    expected = respond(detector, images)
    assert live["response"] == pytest.approx(float(expected[0]))
    assert attack["without"]["bezel"]["response"] == pytest.approx(float(expected[1]))
    moved = {
        cue: abs(after["response"] - attack["response"]) for cue, after in attack["without"].items()
    }
    assert max(moved, key=moved.get) == "bezel"
    said = attack["methods"]["occlusion, cue-free"]
    assert "bezel" not in said["share"]  # inside the cues by construction: not scored by overlap
    effect = attack["response"] - attack["unmarked"]["response"]
    inside = attack["methods"]["ig, cue-free"]["evidence"]["bezel"]
    assert inside == pytest.approx(effect, rel=0.05)
    assert attack["methods"]["ig"]["infidelity"] < 0.01
    assert attack["methods"]["edges"]["infidelity"] > 0.05
    error = attack["completeness"]["ig"]["error"]
    assert abs(error) < 1e-3 * abs(attack["completeness"]["ig"]["explained"])
    assert attack["shapley"]["pattern"] == pytest.approx(0, abs=1e-4)


def test_people_who_are_not_explained_are_scored_alike(person, monkeypatch):
    kept = {"edges": METHODS["edges"]}
    monkeypatch.setattr("hfnmp_lite.explain.examine.METHODS", kept)
    detector = looking_at(person.attacks[1].member["bezel"], of_pattern=True)
    full, scored = (
        [{"network": "n", **r} for r in examine(detector, person, "map", explained)]
        for explained in (True, False)
    )
    assert len(full) == len(scored) == 3 + (person.decoy is not None)
    explanations = {"methods", "completeness", "random_deletion", "random_insertion"}
    for one, other in zip(full, scored, strict=True):
        left = {k: v for k, v in one.items() if k not in explanations}
        assert left == other
        assert ("methods" in one) == (one["what"] != "live")
    rows = table.summarise(full + [{**r, "subject": "another"} for r in scored], {"n": "phone"})
    assert find(rows, "deletion", "every", "known").subjects == 1
    assert find(rows, "pattern's share", "", "known").value == 1
    for measure in ("auc", "removal", "pattern's share"):
        cue = "" if measure == "pattern's share" else "every"
        assert find(rows, measure, cue, "known").subjects == 2


def test_edges_know_no_network(person):
    x = to_batch([person.attacks[0].image])
    found = edges(x, "margin")
    grey = np.asarray(x.mean(1)[0].double())
    across = grey[10, 21] * 2 + grey[9, 21] + grey[11, 21]
    across -= grey[10, 19] * 2 + grey[9, 19] + grey[11, 19]
    down = grey[11, 20] * 2 + grey[11, 19] + grey[11, 21]
    down -= grey[9, 20] * 2 + grey[9, 19] + grey[9, 21]
    assert found.map[0, 10, 20] == pytest.approx(-np.hypot(across, down))


def test_a_real_network_is_examined_alike_twice(monkeypatch):
    torch.manual_seed(0)
    detector = Detector(MetaPatternExtractor(), HFN()).eval()
    person = draw_person("mixed", 41, 0, 32)
    alone = Person(person.domain, person.subject, person.live, person.attacks[:1], None)
    some = {name: METHODS[name] for name in ("smoothgrad", "gradcam", "ig, cue-free", "edges")}
    monkeypatch.setattr("hfnmp_lite.explain.examine.METHODS", some)
    found = [records_of(detector, [alone], "n", stability_of=0) for _ in range(2)]
    assert json.dumps(found[0]) == json.dumps(found[1])
    (attack,) = [r for r in found[0] if r["what"] == "attack"]
    assert set(attack["methods"]) == set(some)
    for name, said in attack["methods"].items():
        stable = name == "edges" or "cue-free" in name
        assert ("sensitivity" in said) != stable
        if not stable:
            like = said["randomised"]
            assert set(like) == set(measures.HOW_FAR)
            assert like["all"] < 0.9  # weights were random before: others give another map
    rows = table.summarise(found[0], {"n": "mixed"})
    assert {r.where for r in rows} == {"unseen"}


# --- the table ----------------------------------------------------------------------------------


def fake(network, domain, subject, rise, value=0.5, effect=1.0):
    """A record as `examine` writes it, with one cue and one method."""
    one = {"score": 0.3, "response": -1.0}
    after = {"score": 0.3 + rise, "response": -1.0 + effect}
    said = {
        "share": {"glare": value},
        "pointing": {"glare": value},
        "evidence": {"glare": -effect * value},
        "deletion": 0.2,
        "insertion": -0.1,
        "infidelity": 0.4,
    }
    attack = {
        "what": "attack",
        "picture": 0,
        "kind": "print",
        **one,
        "freed": after,
        "unmarked": after,
        "bare": after,
        "without": {"glare": after},
        "alone": {"glare": one},
        "area": {"glare": 0.25},
        "present": ["glare"],
        "random_deletion": 0.1,
        "random_insertion": 0.1,
        "methods": {"occlusion": said},
        "completeness": {"ig": {"error": -0.5, "explained": 2.0}},
        "shapley": {"image": 1.0, "pattern": -3.0},
    }
    live = {"what": "live", "picture": 0, "score": 0.9, "response": 1.0}
    about = {"network": network, "domain": domain, "subject": subject}
    return [about | live, about | attack]


def find(rows, measure, cue="", where="unseen", network=None):
    (row,) = [
        r
        for r in rows
        if (r.measure, r.cue, r.where) == (measure, cue, where) and network in (None, r.network)
    ]
    return row


def test_means_have_intervals_by_subject():
    """Two people of 40 presentations each differ; presentations of one do not."""
    records = [
        record
        for subject, rise in (("a", 0.0), ("b", 1.0))
        for _ in range(40)
        for record in fake("n", "webcam", subject, rise)
    ]
    rows = table.summarise(records, {"n": "webcam"})
    row = find(rows, "removal", "glare")
    assert (row.value, row.low, row.high) == (0.5, 0.0, 1.0)  # 80 independent ones: .39 to .61
    assert (row.n, row.subjects, row.chance) == (80, 2, 0)
    share = find(rows, "share", "glare")
    assert (share.value, share.chance, share.above_low, share.above_high) == (0.5, 0.25, 0.25, 0.25)
    assert find(rows, "deletion", "every").value == pytest.approx(0.1)
    assert find(rows, "insertion", "every").value == pytest.approx(0.2)
    assert find(rows, "incompleteness").value == 0.25
    assert find(rows, "pattern's share").value == 0.75
    assert find(rows, "auc", "every").value == 1
    assert find(rows, "infidelity").chance == 1


def test_places_are_told_apart_and_the_correlation_has_its_chance():
    rng = np.random.default_rng(0)
    records = []
    for i, effect in enumerate(rng.normal(size=30)):
        records += fake("n", "phone", f"p{i}", 0.1, effect=effect)
        records += fake("n", "webcam", f"w{i}", 0.1, value=-0.5, effect=effect)
    rows = table.summarise(records, {"n": "webcam"})
    known = find(rows, "correlation", "glare", "known")
    assert known.value == pytest.approx(1)  # evidence -.5 effect, and the cue's effect is -effect
    assert np.isnan(known.chance)  # every cue has one area here
    assert find(rows, "correlation", "glare").value == pytest.approx(-1)


def test_a_network_less_itself_is_nothing_and_differences_are_paired():
    rises = np.random.default_rng(1).random(20)
    one = [r for i, v in enumerate(rises) for r in fake("one", "webcam", f"s{i}", v)]
    other = [r for i, v in enumerate(rises) for r in fake("two", "webcam", f"s{i}", v - 0.125)]
    unseen = {"one": "webcam", "two": "webcam"}
    rows = table.differences(one + other, unseen, "one", "two")
    row = find(rows, "removal", "glare")
    assert row.network == "one - two"
    for found in (row.value, row.low, row.high):
        assert found == pytest.approx(0.125)  # unpaired, the interval would be wide
    same = [dict(r, network="two") for r in one]
    assert all(
        r.value == r.low == r.high == 0
        for r in table.differences(one + same, unseen, "one", "two")
        if not np.isnan(r.value)
    )


def test_a_table_reads_as_it_was_written():
    records = [r for i in range(4) for r in fake("n", "webcam", f"s{i}", i / 10)]
    rows = table.summarise(records, {"n": "webcam"})
    back = table.read(table.write(rows))
    assert len(back) == len(rows)
    for one, other in zip(rows, back, strict=True):
        assert (one.network, one.measure, one.n) == (other.network, other.measure, other.n)
        np.testing.assert_allclose(one.value, other.value, rtol=1e-4, equal_nan=True)
    assert table.write(back) == table.write(rows)


# --- answers ------------------------------------------------------------------------------------


def row(network, where, measure, cue, value, half, method="", chance=0.0):
    low, high = value - half, value + half
    return table.Row(
        network, where, measure, method, cue, value, low, high, chance, low, high, 40, 20
    )


def rows_of_a_pair(reliance, generalisation, half=0.1):
    names = ("mp", "lbp", "mp - lbp")
    made = []
    for where in ("known", "unseen"):
        for name, value in zip(names, (1 + reliance, 1.0, reliance), strict=True):
            made.append(row(name, where, "removal, response", "every", value, half))
            made.append(row(name, where, "removal, response", "glare", value, half))
            made.append(row(name, where, "removal, response", "bands", 0.02, half))
    for name, value in zip(names, (0.7 + generalisation, 0.7, generalisation), strict=True):
        made.append(row(name, "unseen", "auc", "every", value, 0.05))
        made.append(row(name, "unseen", "auc", "none", 0.5, 0.05))
    made.append(row("mp", "known", "deletion", "every", 0.3, 0.1, "ig"))
    made.append(row("mp", "known", "deletion", "every", 0.05, 0.1, "smoothgrad"))
    return made


@pytest.mark.parametrize(
    ("reliance", "generalisation", "words"),
    [
        (0.5, 0.2, ["mp relies on the cues more", "goes with better generalisation"]),
        (0.5, -0.2, ["mp relies on the cues more", "goes with worse generalisation"]),
        (-0.5, 0.2, ["lbp relies on them more", "goes with worse generalisation"]),
        (0.05, 0.2, ["is not decided", "cannot say"]),
        (0.5, 0.01, ["mp relies on the cues more", "cannot say"]),
    ],
)
def test_answers_say_what_the_intervals_decide(reliance, generalisation, words):
    said = "\n".join(answers.answer(rows_of_a_pair(reliance, generalisation), "mp", "lbp"))
    for word in words:
        assert word in said
    assert "One pair of networks is one case" in said
    assert "by lbp 0.70 [0.65, 0.75], without any cue 0.50 [0.45, 0.55]" in said
    undecided = "bands" if abs(reliance) > 0.1 else "glare (0.05 [-0.05, 0.15]), bands"
    assert f"not decided: {undecided}" in said
    assert ("responds more to glare" in said) == (abs(reliance) > 0.1)
    assert "find what to delete better than chance: ig." in said


# --- what is shipped ----------------------------------------------------------------------------


def test_the_shipped_table_is_whole_and_agrees_with_itself():
    rows = table.read((samples.root() / "results" / "faithfulness.csv").read_text())
    found = {(r.network, r.where, r.measure, r.method, r.cue): r for r in rows}
    assert len(found) == len(rows)
    compared = 0
    for where in ("known", "unseen"):
        for cue in ("every", *cues.CUES):
            seen = (cue, where) != ("bezel", "unseen")  # no crop of the phone's reaches a border
            assert (("mp-phone", where, "removal, response", "", cue) in found) == seen
        for network in ("mp-phone", "lbp-phone"):
            assert 0 <= found[network, where, "auc", "", "every"].value <= 1
            assert all((network, where, "deletion", m, "every") in found for m in METHODS)
    for (network, *rest), r in found.items():
        assert not r.low > r.high
        assert 0 < r.subjects <= r.n
        if network == "mp-phone - lbp-phone":
            one, other = (found[(name, *rest)].value for name in ("mp-phone", "lbp-phone"))
            assert r.value == pytest.approx(one - other, rel=1e-3, abs=1e-3, nan_ok=True)
            compared += 1
    assert compared > 100


def test_the_shipped_sentences_are_the_tables():
    folder = samples.root() / "results"
    rows = table.read((folder / "faithfulness.csv").read_text())
    stored = json.loads((folder / "faithfulness.json").read_text())
    said = answers.answer(rows, "mp-phone", "lbp-phone")
    assert len(said) == len(stored["answers"])
    for one, other in zip(said, stored["answers"], strict=True):
        assert one[:40] == other[:40]
        assert sorted(re.findall(r"-?\d\.\d\d", one)) == sorted(re.findall(r"-?\d\.\d\d", other))


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def checkpoints(tmp_path):
    made = []
    for name, extractor in (("mp", MetaPatternExtractor()), ("lbp", LocalBinaryPattern())):
        torch.manual_seed(0)
        detector = Detector(extractor, HFN()).eval()
        config = {"pattern": name, "target": "webcam"}
        made.append(tmp_path / f"{name}.safetensors")
        save_checkpoint(made[-1], detector, config)
    return made


def write_parts(out, checkpoints, jobs):
    """Finish these jobs by hand, as workers would."""
    for domain, number in jobs:
        found = [
            r
            for path in checkpoints
            for r in fake(path.stem, domain, f"{domain}-{number}", 0.1 * number)
        ]
        part = out.parent / f".{out.name}.partial" / f"{domain}-{number:03d}.json"
        part.write_text(json.dumps(found))


def test_the_command_goes_on_after_an_interruption(checkpoints, tmp_path, monkeypatch):
    out = tmp_path / "table.csv"
    left = [(domain, number) for number in range(4) for domain in DOMAINS]

    def submit(_function, calls):
        asked = [call[-2:] for call in calls]
        assert asked == left
        write_parts(out, checkpoints, asked[:5])
        yield
        raise KeyboardInterrupt

    @contextmanager
    def pool(_count):
        yield submit

    settings = {"subjects": 3, "seed": 7, "progress": False}
    with monkeypatch.context() as patch:
        patch.setattr(faithfulness.workers, "pool", pool)
        with pytest.raises(KeyboardInterrupt):  # begun for more people than it will be finished for
            faithfulness.measure(checkpoints, out, **settings | {"subjects": 4})
    assert not out.exists()
    with pytest.raises(InputError, match="other arguments"):
        faithfulness.measure(checkpoints, out, **settings | {"seed": 8})
    write_parts(out, checkpoints, left[5 : 3 * len(DOMAINS)])
    said = faithfulness.measure(checkpoints, out, **settings, command="the command")
    assert {p.name for p in tmp_path.iterdir()} >= {"table.csv", "table.json"}
    assert not (tmp_path / ".table.csv.partial").exists()
    rows = table.read(out.read_text())
    assert {r.network for r in rows} == {"mp", "lbp", "mp - lbp"}
    assert find(rows, "removal", "glare", "known", "mp").n == 9
    assert find(rows, "removal", "glare", "unseen", "mp").subjects == 3
    stored = json.loads(out.with_suffix(".json").read_text())
    assert stored["answers"] == said["answers"]
    assert stored["answers"]
    assert {"command", "seed", "commit", "versions", "hardware"} <= set(stored)
    assert stored["networks"]["lbp"]["target"] == "webcam"
    assert "captum" in stored["versions"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.safetensors"], ["no such file"]),
        (["{mp}", "{mp}"], ["both named 'mp'"]),
        (["{mp}", "--seed", "0"], ["seed is 0", "have met"]),
        (["{mp}", "--subjects", "1"], ["at least 2"]),
    ],
)
def test_the_command_refuses_in_a_line(arguments, words, checkpoints, tmp_path, capsys):
    given = [a.format(mp=checkpoints[0]) for a in arguments]
    assert faithfulness.main([*given, "--out", str(tmp_path / "t.csv")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in words:
        assert word in said


def test_a_job_of_a_worker_writes_its_part(checkpoints, tmp_path, monkeypatch):
    """The worker's own function, on somebody small, with one quick method."""
    kept = {"gradcam": METHODS["gradcam"]}
    monkeypatch.setattr("hfnmp_lite.explain.examine.METHODS", kept)
    small = draw_person("phone", 7, 1, 32)
    monkeypatch.setattr("hfnmp_lite.explain.cue_sets.draw_person", lambda *_: small)
    networks = tuple((p.stem, str(p)) for p in checkpoints)
    faithfulness.examine_person(tmp_path, networks, 7, "margin", "phone", 1)
    records = json.loads((tmp_path / "phone-001.json").read_text())
    assert {r["network"] for r in records} == {"mp", "lbp"}
    assert {r["what"] for r in records} >= {"live", "attack"}
    rows = table.summarise(records, {"mp": "webcam", "lbp": "webcam"})
    assert {r.where for r in rows} == {"known"}
    assert find(rows, "auc", "every", "known", "mp").n == 3
