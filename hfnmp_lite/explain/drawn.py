"""Presentations of a data set to be explained: drawn by their names, before anything is scored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from hfnmp_lite.data.loaders import load_frame
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.explain.tour import Picture
from hfnmp_lite.files import InputError

RULE = (
    "{each} of live and of each attack type of '{domain}', of different people where there are, "
    "by a hash of their names before anything was scored; of each the middle frame"
)


def draw(
    presentations: Sequence[Presentation], domain: str, each: int, size: int
) -> tuple[list[Picture], list[str]]:
    """Draw presentations of a domain, live first, and read a frame of each.

    Which ones depends on the names of those that have frames alone: nobody chose the cases that
    look best. One whose frame cannot be read gives its place to the next.

    Parameters
    ----------
    presentations : sequence of Presentation
        Of any domains.
    domain : str
        Which is drawn from.
    each : int
        How many of live, and how many of each attack type.
    size : int
        Side of the pictures in pixels.

    Returns
    -------
    pictures : list of Picture
    problems : list of str
        A line for each frame that could not be read, and one for each kind that has no picture.

    Raises
    ------
    InputError
        `each` is not between 1 and 50, or no picture is left.
    """
    if not 1 <= each <= 50:
        raise InputError(f"each is {each}; expected 1 to 50 presentations of a kind")
    here = [p for p in presentations if p.domain == domain]
    pictures, problems = [], []
    for kind in ["live", *sorted({p.attack_type for p in here if not p.live})]:
        count = 0
        for p in _in_turn([p for p in here if _kind(p) == kind and p.frames]):
            try:
                image = load_frame(p.frames[len(p.frames) // 2], size)
            except InputError as error:
                problems.append(str(error))
                continue
            pictures.append(Picture(p.id, image, kind, domain, "as prepared"))
            count += 1
            if count == each:
                break
        if not count:
            problems.append(f"domain '{domain}' has no {kind} presentation whose frame can be read")
    if not pictures:
        raise InputError("; ".join(problems[-5:]))
    return pictures, problems


def _kind(p: Presentation) -> str:
    return "live" if p.live else str(p.attack_type)


def _in_turn(presentations: Sequence[Presentation]) -> Iterator[Presentation]:
    """Everybody's first, then everybody's second, and so on; in each round by hash of the name."""
    order = sorted(presentations, key=lambda p: hashlib.sha256(p.id.encode()).digest())
    rounds: dict[str, int] = {}
    turn = []
    for place, p in enumerate(order):
        rounds[p.subject] = rounds.get(p.subject, 0) + 1
        turn.append((rounds[p.subject], place))
    yield from (order[place] for _, place in sorted(turn))
