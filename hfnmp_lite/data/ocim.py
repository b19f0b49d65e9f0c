"""The four licensed data sets as their owners distribute them: what each file name says.

OULU-NPU, CASIA-FASD, Idiap Replay-Attack and MSU-MFSD are given on request by their owners and
are never redistributed; this reads what a licensee holds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hfnmp_lite.data.annotation import Kind
from hfnmp_lite.data.formats import VIDEO_SUFFIXES
from hfnmp_lite.data.recordings import Found, Recording, printable, shortened, walk
from hfnmp_lite.files import InputError

VIDEO = r"\.(?:avi|mov|mp4)$"
PARTITIONS = {"train": "train", "dev": "dev", "devel": "dev", "test": "test"}


@dataclass(frozen=True)
class Layout:
    """One data set: how its files are named, and what was published of it.

    Attributes
    ----------
    parse : callable
        Relative path -> what the name says, or None where it fits no presentation.
    subjects : dict
        Published: subjects by partition.
    videos : dict
        Published: videos of each subject by kind ("live" or an attack type).
    example : str
        A path as it is expected.
    beside : callable
        Relative path without its suffix -> where an annotation may lie, likeliest first.
    kind : {"xywh", "corners", "eyes"} or None
        What annotations hold; None where the data set has none.
    """

    parse: Callable[[str], Recording | None]
    subjects: dict[str, int]
    videos: dict[str, int]
    example: str
    beside: Callable[[str], Sequence[str]] = lambda stem: ()
    kind: Kind | None = None


# --- OULU-NPU: {Train,Dev,Test}_files/Phone_Session_User_File.avi -------------------------------

_OULU = re.compile(
    rf"(?:^|/)(train|dev|test)_files/0*([1-6])_0*([1-3])_0*(\d\d?)_0*([1-5]){VIDEO}", re.I
)


def parse_oulu(path: str) -> Recording | None:
    """Read a path of OULU-NPU: file 1 live, 2 and 3 prints, 4 and 5 displays."""
    found = _OULU.search(path)
    if not found:
        return None
    partition, phone, session, user, file = found.groups()
    kind, instrument = {
        "1": (None, None),
        "2": ("print", "printer 1"),
        "3": ("print", "printer 2"),
        "4": ("replay", "display 1"),
        "5": ("replay", "display 2"),
    }[file]
    return Recording(
        path,
        "oulu",
        f"oulu-{int(user):02}",
        kind is None,
        kind,
        instrument,
        PARTITIONS[partition.lower()],
        session,
        f"phone {phone}",
    )


# --- CASIA-FASD: {train,test}_release/<id>/<n>.avi ----------------------------------------------

_CASIA = re.compile(rf"(?:^|/)(train|test)_release/(\d+)/0*(HR_[1-4]|[1-8]){VIDEO}", re.I)
_CASIA_KINDS = {
    **dict.fromkeys(("1", "2", "HR_1"), (None, None)),
    **dict.fromkeys(("3", "4", "HR_2"), ("print", "warped photo")),
    **dict.fromkeys(("5", "6", "HR_3"), ("print", "cut photo")),
    **dict.fromkeys(("7", "8", "HR_4"), ("replay", "video")),
}


def parse_casia(path: str) -> Recording | None:
    """Read a path of CASIA-FASD: 1, 2, HR_1 live; 3 to 6, HR_2, HR_3 prints; 7, 8, HR_4 replays.

    Both partitions number their subjects from 1: these are different people.
    """
    found = _CASIA.search(path)
    if not found:
        return None
    partition, user, file = found[1].lower(), int(found[2]), found[3].upper()
    kind, instrument = _CASIA_KINDS[file]
    quality = "high" if file.startswith("HR") else ("low", "normal")[int(file) % 2 == 0]
    return Recording(
        path,
        "casia",
        f"casia-{partition}-{user:02}",
        kind is None,
        kind,
        instrument,
        PARTITIONS[partition],
        None,
        f"{quality} quality",
    )


# --- Idiap Replay-Attack: {train,devel,test}/real, attack/{fixed,hand} --------------------------

_REPLAY = re.compile(
    r"(?:^|/)(train|devel|test)/(?:real/|attack/(fixed|hand)/attack_(print|mobile|highdef)_)"
    rf"client(\d+)_session(\d+)_(?:(\w+)_)?(adverse|controlled)(?:_\d+)?{VIDEO}",
    re.I,
)


def parse_replay(path: str) -> Recording | None:
    """Read a path of Replay-Attack: photos and videos on a display are both replays."""
    found = _REPLAY.search(path)
    if not found:
        return None
    partition, support, attack, client, session, medium, light = found.groups()
    kind = None if attack is None else "print" if attack.lower() == "print" else "replay"
    instrument = None
    if kind:
        shown = "" if kind == "print" else f" {(medium or '').split('_')[-1].lower()}"
        instrument = f"{attack.lower()}{shown}, {support.lower()}"
    return Recording(
        path,
        "replay",
        f"replay-{int(client):03}",
        kind is None,
        kind,
        instrument,
        PARTITIONS[partition.lower()],
        f"{session} {light.lower()}",
        "webcam",
    )


def _beside_replay(stem: str) -> list[str]:
    at = re.search(r"(?:^|/)(?=(?:train|devel|test)/)", stem, re.I)
    cut = at.end() if at else 0
    return [f"{stem[:cut]}face-locations/{stem[cut:]}.face", f"{stem}.face"]


# --- MSU-MFSD: scene01/{real,attack}/..._client<NNN>_{laptop,android}_SD_... --------------------

_MSU = re.compile(
    r"(?:^|/)(real|attack)/\1_client(\d+)_(laptop|android)_SD_"
    rf"(?:(ipad|iphone|printed)_(?:video|photo)_)?scene(\d+){VIDEO}",
    re.I,
)
# Live, by the android phone, stored upside down (also found in the released lists: no detector
# saw a face in them).
MSU_TURNED = frozenset((3, 5, 6, 7, 8, 9))
# The official training subjects, as distributed in train_sub_list.txt. The released lists named
# MSU-MFSD-TRAIN and -TEST have them exchanged.
MSU_TRAIN = frozenset((2, 3, 5, 6, 7, 8, 9, 11, 12, 21, 22, 34, 53, 54, 55))
MSU_TEST = frozenset(
    (1, 13, 14, 23, 24, 26, 28, 29, 30, 32, 33, 35, 36, 37, 39, 42, 48, 49, 50, 51)
)


def parse_msu(path: str) -> Recording | None:
    """Read a path of MSU-MFSD; six live videos are marked as turned by 180 degrees."""
    found = _MSU.search(path)
    if not found:
        return None
    real, client, device, shown, scene = (g and g.lower() for g in found.groups())
    if (real == "real") == bool(shown):
        return None
    number = int(client)
    kind, instrument = {
        None: (None, None),
        "printed": ("print", "printed photo"),
        "ipad": ("replay", "ipad video"),
        "iphone": ("replay", "iphone video"),
    }[shown]
    return Recording(
        path,
        "msu",
        f"msu-{number:03}",
        kind is None,
        kind,
        instrument,
        "train" if number in MSU_TRAIN else "test" if number in MSU_TEST else None,
        f"scene{scene}",
        device,
        rotation=180 if kind is None and device == "android" and number in MSU_TURNED else 0,
    )


LAYOUTS = {
    "oulu": Layout(
        parse_oulu,
        {"train": 20, "dev": 15, "test": 20},
        {"live": 18, "print": 36, "replay": 36},
        "Train_files/1_1_01_1.avi",
        lambda stem: (f"{stem}.txt",),
        "eyes",
    ),
    "casia": Layout(
        parse_casia,
        {"train": 20, "test": 30},
        {"live": 3, "print": 6, "replay": 3},
        "train_release/1/HR_1.avi",
    ),
    "replay": Layout(
        parse_replay,
        {"train": 15, "dev": 15, "test": 20},
        {"live": 4, "print": 4, "replay": 16},
        "train/real/client001_session01_webcam_authenticate_adverse_1.mov",
        _beside_replay,
        "xywh",
    ),
    "msu": Layout(
        parse_msu,
        {"train": 15, "test": 20},
        {"live": 2, "print": 2, "replay": 4},
        "scene01/real/real_client001_android_SD_scene01.mp4",
        lambda stem: (f"{stem}.face",),
        "corners",
    ),
}


# --- an index of any of them --------------------------------------------------------------------


def find(root: str | Path, dataset: str) -> Found:
    """List the presentations of a data set as distributed; compare them with what was published.

    Parameters
    ----------
    root : path
        The folder that holds the data set; the layout may begin some folders below.
    dataset : {"oulu", "casia", "replay", "msu"}
        Which one.

    Returns
    -------
    Found
        Recordings in the order of their paths. Remarks: one line for every difference from the
        published counts, every name that fits no presentation, every copy and every empty file.

    Raises
    ------
    InputError
        The folder cannot be read, or holds no video of that layout.
    """
    root, layout = Path(root), LAYOUTS[dataset]
    remarks: list[str] = []
    files = list(walk(root, remarks))
    by_name = {file.path.lower(): file.path for file in files}
    recordings, strange, empty, copies, enrolment, seen = [], [], [], [], 0, {}
    for path, size in files:
        if Path(path).suffix.lower() not in VIDEO_SUFFIXES:
            continue
        recording = layout.parse(path)
        if recording is None:
            enrolment += dataset == "replay" and "enroll" in path.lower().split("/")
            strange.append(path)
            continue
        capture = _capture(dataset, recording)
        if capture in seen:
            copies.append(f"{printable(path)}: is the capture of {seen[capture]} again; left out")
            continue
        seen[capture] = printable(path)
        if not size:
            empty.append(f"{printable(path)}: is empty; it counts as a failure to acquire")
        recordings.append(_annotated(recording, layout, by_name))
    if not recordings:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        raise InputError(
            f"{root}: holds no video named as in '{dataset}', such as {layout.example}; give the "
            f"folder as distributed, or another --dataset{why}"
        )
    if enrolment:
        remarks.append(f"{enrolment} enrolment videos are no presentations of the protocol")
        strange = [p for p in strange if "enroll" not in p.lower().split("/")]
    remarks += shortened([f"{printable(p)}: is not named as in '{dataset}'" for p in strange])
    remarks += shortened(copies) + shortened(empty)
    if dataset == "msu":
        recordings = _official_msu(root, files, recordings, remarks)
    if layout.kind and (bare := sum(r.annotation is None for r in recordings)):
        remarks.append(
            f"{bare} of {len(recordings)} videos have no annotation; the detector looks for the "
            "face there"
        )
    return Found(recordings, remarks + compare(recordings, dataset))


def _capture(dataset: str, r: Recording) -> tuple:
    """What makes a capture: the name, without folders above the layout, padding and case."""
    name = Path(r.path).name.lower()
    numbered = re.sub(r"\d+", lambda digits: str(int(digits[0])), name.rpartition(".")[0])
    above = Path(r.path).parent.name.lower() if dataset == "replay" else ""
    return r.partition, r.subject, above, numbered


def _annotated(recording: Recording, layout: Layout, by_name: dict[str, str]) -> Recording:
    stem = recording.path.rpartition(".")[0]
    for place in layout.beside(stem):
        if place.lower() in by_name:
            return replace(
                recording, annotation=by_name[place.lower()], annotation_kind=layout.kind
            )
    return recording


def _official_msu(root: Path, files: list, recordings: list, remarks: list[str]) -> list[Recording]:
    """Take the partition from the data set's own lists where they are there."""
    said: dict[int, str] = {}
    for path, size in files:
        name = path.rpartition("/")[2].lower()
        if name in ("train_sub_list.txt", "test_sub_list.txt") and size < 2**16:
            text = (root / path).read_text(encoding="utf-8", errors="replace")
            said |= {int(n): name.partition("_")[0] for n in re.findall(r"\b\d{1,4}\b", text)}
    if not said:
        remarks.append("no train_sub_list.txt and test_sub_list.txt; the published ones are used")
        return recordings
    return [replace(r, partition=said.get(int(r.subject.removeprefix("msu-")))) for r in recordings]


def compare(recordings: Sequence[Recording], dataset: str) -> list[str]:
    """Say line by line where counts differ from the published ones; one line where none does."""
    layout, lines, odd = LAYOUTS[dataset], [], []
    for partition, wanted in layout.subjects.items():
        part = [r for r in recordings if r.partition == partition]
        subjects = sorted({r.subject for r in part})
        if len(subjects) != wanted:
            lines.append(
                f"{dataset} {partition} subjects: {len(subjects)} found, {wanted} published"
            )
        counts = Counter((r.subject, r.attack_type or "live") for r in part)
        for kind, each in layout.videos.items():
            found = sum(counts[s, kind] for s in subjects)
            if found != wanted * each:
                lines.append(
                    f"{dataset} {partition} {kind}: {found} found, {wanted * each} published"
                )
            odd += [
                f"{dataset} {partition} {kind}: {counts[s, kind]} of subject {s} found, {each} "
                "published"
                for s in subjects
                if counts[s, kind] != each
            ]
    if outside := sum(r.partition not in layout.subjects for r in recordings):
        lines.append(f"{dataset}: {outside} videos belong to no published partition")
    total = sum(layout.subjects.values()) * sum(layout.videos.values())
    if lines or odd:
        return lines + shortened(odd)
    return [f"{dataset}: {total} videos, as published"]
