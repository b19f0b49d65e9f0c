"""Miniatures of the licensed data sets, made of the shipped samples: real files, nobody's data.

Videos are really encoded, zips really packed, annotations written as their owners write them, with
the oddities that the real ones have. They let the course and the tests run every step that real
data takes; their numbers mean nothing.
"""

from __future__ import annotations

import csv
import functools
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from hfnmp_lite.data.ocim import LAYOUTS, MSU_TURNED
from hfnmp_lite.data.samples import root
from hfnmp_lite.files import InputError, write_whole

WIDTH, HEIGHT = 192, 144  # of a video, in pixels
FACE = 96  # side of the face crop pasted into it
AT = (32, 24)  # its upper left corner in the first frame; it moves one pixel a frame to the right
WINDOW = 11  # from the crop's border to the face window on each side
CODECS = {".avi": "FFV1", ".mov": "png ", ".mp4": "mp4v"}
SHOWN = {"oulu": "phone", "casia": "handheld", "replay": "webcam", "msu": "mixed"}
RELEASED = {"oulu": "OULU-NPU", "casia": "CASIA-FASD", "replay": "REPLAY-ATTACK", "msu": "MSU-MFSD"}


def build(folder: str | Path, dataset: str, frames: int = 6) -> list[Path]:
    """Make a miniature of a licensed data set in a new folder.

    Parameters
    ----------
    folder : path
        Must not exist.
    dataset : {"oulu", "casia", "replay", "msu"}
        Whose layout.
    frames : int
        Frames of each video.

    Returns
    -------
    list of Path
        The videos. Among them are oddities: an extension in capitals and a number that is not
        padded (oulu), an empty file (casia), annotations with gaps (replay), a live video stored
        upside down (msu).

    Raises
    ------
    InputError
        The folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder}: exists; give a new folder for the miniature")
    made = []
    for path, subject, kind in PLANS[dataset]:
        file = folder / path
        turned = _is_turned(path, subject, kind)
        if path == EMPTY:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        else:
            film(file, face_of(SHOWN[dataset], subject, kind), frames, turned)
        _annotate(folder, path, dataset, frames, turned)
        made.append(file)
    if dataset == "msu":
        write_whole(folder / "train_sub_list.txt", "03\n05\n")
        write_whole(folder / "test_sub_list.txt", "01\n13\n")
    return made


def _is_turned(path: str, subject: int, kind: str | None) -> bool:
    return "_android_" in path and not kind and subject in MSU_TURNED


def _oulu() -> Iterator[tuple[str, int, str | None]]:
    for part, subject in (("Train", 1), ("Train", 2), ("Dev", 21), ("Test", 36)):
        for file, kind in ((1, None), (2, "print"), (4, "replay")):
            name = f"1_1_{subject:02}_{file}.avi"
            if (subject, file) == (1, 2):
                name = "1_1_1_2.AVI"  # not padded, in capitals
            yield f"{part}_files/{name}", subject, kind


EMPTY = "test_release/2/4.avi"


def _casia() -> Iterator[tuple[str, int, str | None]]:
    for part, subject in (("train", 1), ("train", 2), ("test", 1), ("test", 2)):
        for file, kind in (("1", None), ("HR_1", None), ("4", "print"), ("7", "replay")):
            yield f"{part}_release/{subject}/{file}.avi", subject + 10 * (part == "test"), kind


def _replay() -> Iterator[tuple[str, int, str | None]]:
    for part, subject in (("train", 1), ("train", 2), ("devel", 3), ("test", 9)):
        client = f"client{subject:03}_session01"
        yield f"{part}/real/{client}_webcam_authenticate_adverse_1.mov", subject, None
        yield (
            f"{part}/attack/fixed/attack_print_{client}_highdef_photo_adverse.mov",
            *(subject, "print"),
        )
        yield (
            f"{part}/attack/hand/attack_mobile_{client}_mobile_video_controlled.mov",
            *(subject, "replay"),
        )


def _msu() -> Iterator[tuple[str, int, str | None]]:
    for subject in (1, 3, 5, 13):
        client = f"client{subject:03}"
        yield f"scene01/real/real_{client}_android_SD_scene01.mp4", subject, None
        yield (
            f"scene01/attack/attack_{client}_laptop_SD_printed_photo_scene01.mov",
            *(subject, "print"),
        )
        yield (
            f"scene01/attack/attack_{client}_android_SD_ipad_video_scene01.mp4",
            *(subject, "replay"),
        )


PLANS = {
    "oulu": list(_oulu()),
    "casia": list(_casia()),
    "replay": list(_replay()),
    "msu": list(_msu()),
}


def face_of(domain: str, subject: int, kind: str | None) -> np.ndarray:
    """Return a shipped sample, (128, 128, 3) uint8 BGR: number `subject` of a domain and kind."""
    paths = _samples()[domain, kind or ""]
    return cv2.imread(str(root() / paths[subject % len(paths)]))


@functools.cache
def _samples() -> dict[tuple[str, str], list[str]]:
    """One frame of every shipped subject, by domain and attack type."""
    paths: dict[tuple[str, str], dict[str, str]] = {}
    with open(root() / "manifest.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            of_kind = paths.setdefault((row["domain"], row["attack_type"]), {})
            of_kind.setdefault(row["subject"], row["path"])
    return {key: [found[s] for s in sorted(found)] for key, found in paths.items()}


def film(path: Path, face: np.ndarray, frames: int, turned: bool = False) -> None:
    """Encode a video in which a face moves before a plain room; `turned` stores it upside down.

    Parameters
    ----------
    path : Path
        `.avi` and `.mov` are lossless, `.mp4` is not.
    face : ndarray of uint8, (side, side, 3)
        BGR.
    frames : int
        At most 40, so that the face stays in view.
    turned : bool
        Whether every frame is turned by 180 degrees.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
    encoded = path.with_suffix(path.suffix.lower())
    writer = cv2.VideoWriter(str(encoded), cv2.CAP_FFMPEG, codec, 25.0, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise OSError(f"this OpenCV cannot encode {path.suffix}")
    for number in range(frames):
        frame = scene(face, number)
        writer.write(np.ascontiguousarray(frame[::-1, ::-1]) if turned else frame)
    writer.release()
    encoded.rename(path)


def scene(face: np.ndarray, number: int) -> np.ndarray:
    """Return frame `number` of `film`, upright: (HEIGHT, WIDTH, 3) uint8 BGR."""
    room = cv2.resize(cv2.blur(face, (63, 63)), (WIDTH, HEIGHT)) // 2 + 60
    x, y = AT[0] + number, AT[1]
    room[y : y + FACE, x : x + FACE] = cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_AREA)
    return room


def _annotate(folder: Path, path: str, dataset: str, frames: int, turned: bool) -> None:
    """Write where the face is, as the data set's owners do."""
    stem = path.rpartition(".")[0]
    lines = []
    for number in range(frames):
        x, y = AT[0] + number + WINDOW, AT[1] + WINDOW
        side = FACE - 2 * WINDOW
        if turned:
            x, y = WIDTH - x - side, HEIGHT - y - side
        up = 0.66 if turned else 0.34
        left, right, eyes = round(x + 0.28 * side), round(x + 0.72 * side), round(y + up * side)
        if dataset == "oulu":
            lines.append(f"{number},{left},{eyes},{right},{eyes}")
        elif dataset == "msu":
            corners = f"{x},{y},{x + side},{y + side}"
            lines.append(f"{number},{corners},{left},{eyes},{right},{eyes}")
        elif number == 1:
            lines.append(f"{number} 0 0 0 0")  # no face found, as Replay-Attack says it
        elif number != frames - 1:  # ... or as it leaves it out
            lines.append(f"{number} {x} {y} {side} {side}")
    place = next(iter(LAYOUTS[dataset].beside(stem)), None)
    if place:
        write_whole(folder / place, "\n".join(lines) + "\n")


def build_release(folder: str | Path, frames: int = 12) -> list[Path]:
    """Make a root of zips and their lists as the authors' tools write them.

    Parameters
    ----------
    folder : path
        Must not exist.
    frames : int
        Frames of each video; at least 11, so that their numbers have different lengths.

    Returns
    -------
    list of Path
        The lists, one a data set, under `lists/`. Live videos of MSU-MFSD that are stored upside
        down hold no face.

    Raises
    ------
    InputError
        The folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder}: exists; give a new folder for the miniature")
    lists = []
    for dataset, plan in PLANS.items():
        lines = []
        for path, subject, kind in plan:
            name = f"+{RELEASED[dataset]}/{path}.zip"
            face = face_of(SHOWN[dataset], subject, kind)
            shown = [n for n in range(frames) if n != 2]  # in one frame no face was found
            if _is_turned(path, subject, kind):
                shown = []
            pack(folder / name, {n: np.roll(face, n, axis=1) for n in shown}, frames)
            label = {None: 0, "print": 1, "replay": 2}[kind]
            lines.append(f"/{name},{label},{len(shown)},{frames}\n")
        lines.insert(3, "\n")  # blank lines occur
        lists.append(folder / "lists" / f"{RELEASED[dataset]}.csv")
        write_whole(lists[-1], "".join(lines) + "\n")
    return lists


def pack(path: Path, images: dict[int, np.ndarray], frames: int) -> None:
    """Write a zip of frames: `<number>.png` for each BGR image, and info.txt."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for number, image in images.items():
            packed.writestr(f"{number}.png", cv2.imencode(".png", image)[1].tobytes())
        packed.writestr("info.txt", f"{len(images)}\t{frames}")
    write_whole(path, data.getvalue())


def build_own(folder: str | Path, frames: int = 6, people: Sequence[int] = (1, 2, 3)) -> None:
    """Make a folder of one's own recordings: `live/` and `attack/<type>/`, images and videos.

    Raises
    ------
    InputError
        The folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder}: exists; give a new folder for the miniature")
    for subject in people:
        film(folder / f"live/anna-{subject}.mov", face_of("phone", subject, None), frames)
        for kind in ("print", "replay"):
            image = scene(face_of("phone", subject, kind), 0)
            encoded = cv2.imencode(".png", image)[1].tobytes()
            write_whole(folder / f"attack/{kind}/anna-{subject}.png", encoded)
