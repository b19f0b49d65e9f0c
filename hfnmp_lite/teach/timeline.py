"""The timeline of a video: the score of each frame, the video's, and the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from hfnmp_lite.experiments.predict import Verdict
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.teach.figures import PALETTE, SIZE, _dress, _figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BY = "hfnmp predict"
MOST_FACES = 10  # in the strip below


def timeline(verdict: Verdict, show_faces: bool = False) -> Figure:
    """Draw the frame scores of a video against time.

    Parameters
    ----------
    verdict : Verdict
        Of a video.
    show_faces : bool
        Whether to show what was scored, below; `verdict` then holds its crops.

    Raises
    ------
    ValueError
        The verdict is of an image, has no score, or holds no crops though they are asked for.
    """
    if not verdict.frames or (show_faces and len(verdict.crops) != len(verdict.frames)):
        raise ValueError("a timeline needs the frames of a video, and their crops to show faces")
    figure = _figure(8.0, 5.6 if show_faces else 4.2)
    if show_faces:
        axes, strip = figure.subplots(2, 1, height_ratios=(3, 1))
        _faces(strip, verdict)
    else:
        axes = figure.subplots()
    timed = all(f.seconds is not None for f in verdict.frames)
    at = [f.seconds if timed else f.frame for f in verdict.frames]
    _dress(axes, "seconds" if timed else "frame", "score (1 = live)")
    axes.set_ylim(-0.03, 1.03)
    axes.plot(
        at,
        [f.score for f in verdict.frames],
        color=PALETTE["live"],
        marker="o",
        markersize=8,
        linewidth=2,
        label="frames",
    )
    axes.axhline(
        verdict.score,
        color=PALETTE["live"],
        linestyle="--",
        linewidth=2,
        label=f"video: mean {verdict.score:.2f}",
    )
    if verdict.threshold is not None:
        axes.axhline(
            verdict.threshold,
            color=PALETTE["threshold"],
            linestyle=":",
            linewidth=2,
            label=f"threshold {verdict.threshold:.2f}: live at or above",
        )
    axes.legend(fontsize=SIZE - 2, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    named = verdict.verdict or "no threshold, no verdict"
    figure.suptitle(f"{Path(verdict.file).name}: {named}", fontsize=SIZE + 1)
    return figure


def write_timelines(
    folder: Path, verdicts: Sequence[Verdict], show_faces: bool = False
) -> list[Path]:
    """Write a PNG for every video among some verdicts, named as the video; return their paths.

    Raises
    ------
    InputError
        A file that no `hfnmp predict` wrote is in the way; then none is written.
    """
    films: dict[Path, Verdict] = {}
    for verdict in verdicts:
        if verdict.frames:
            stem = Path(verdict.file).stem
            names = (f"{stem}{f'-{i}' if i > 1 else ''}.png" for i in count(1))
            films[next(folder / name for name in names if folder / name not in films)] = verdict
    check_free(films, BY)
    for path, verdict in films.items():
        write_owned(path, png(timeline(verdict, show_faces)), BY)
    return list(films)


def _faces(axes: Axes, verdict: Verdict) -> None:
    """Lay some of the scored crops out, first and last included, with their scores."""
    last = len(verdict.frames) - 1
    step = max(1, -(-last // (MOST_FACES - 1)))
    shown = sorted({*range(0, last, step), last})
    for place, i in enumerate(shown):
        axes.imshow(verdict.crops[i], extent=(place + 0.03, place + 0.97, 0, 0.94))
        axes.text(
            place + 0.5,
            -0.08,
            f"{verdict.frames[i].score:.2f}",
            fontsize=SIZE - 2,
            ha="center",
            va="top",
        )
    axes.set_xlim(0, len(shown))
    axes.set_ylim(-0.35, 1)
    axes.set_aspect("equal")
    axes.axis("off")
