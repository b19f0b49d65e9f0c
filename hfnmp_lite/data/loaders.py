"""Presentations become batches: decoded when needed, in an order that a seed decides."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import Executor
from operator import attrgetter
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hfnmp_lite.data.archive import read_bytes
from hfnmp_lite.data.augment import as_cameras_vary
from hfnmp_lite.data.capture import read_image, whole_image
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.files import InputError

SAID = 20  # frames that cannot be read, before no more are named
_parts = attrgetter("parts")  # paths sort alike by themselves, in twice the time


def load_frame(path: Path, size: int) -> np.ndarray:
    """Read one frame, a file or in a zip, as any picture is read: uint8 (size, size, 3), RGB.

    Raises
    ------
    InputError
        The file is missing, or as `read_image`.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); expected a frame of the data set"
        ) from None
    return whole_image(read_image(data, path), size)


def note_unreadable(known: set[Path], path: Path, error: InputError) -> None:
    """Add a frame to those that cannot be read, and say so of the first few."""
    known.add(path)
    if len(known) <= SAID:
        tqdm.write(f"warning: {error}; the frame is left out", file=sys.stderr)
    elif len(known) == SAID + 1:
        tqdm.write("warning: more frames cannot be read and are left out", file=sys.stderr)


def to_batch(images: Sequence[np.ndarray]) -> Tensor:
    """Stack uint8 (H, W, 3) images to float32 (N, 3, H, W) in [0, 1], channels last in memory."""
    stacked = torch.from_numpy(np.stack(images)).float().div_(255)
    return stacked.permute(0, 3, 1, 2)  # the memory stays (N, H, W, 3)


class DomainBatches:
    """An endless supply of class-balanced batches from one domain.

    Batch number i is a function of the seed, the domain and i alone, so a resumed run continues
    where it was. Every frame of a class comes once before any comes twice; in the place of one that
    cannot be read comes the next that can. Each image is mirrored
    with probability 1/2 (*released code*: horizontal flip only) and moved by up to `shift` pixels
    along each axis, its border mirrored (*our choice*, against learning images by heart).

    Parameters
    ----------
    presentations : sequence of Presentation
        Those of one domain, both classes.
    per_class : int
        Live images, and attack images, in a batch.
    size : int
        Side of the images in pixels.
    seed : int
        Decides order, mirroring and moves.
    shift : int
        Largest move in pixels.
    augment : str
        "none", or "camera": then each image is varied by `augment.as_cameras_vary`, too.
    first, step : int
        Draw batches number `first`, `first + step`, ...: processes that share a run divide them.
    readers : Executor, optional
        Reads frames side by side; the batches stay the same.
    unreadable : set of Path, optional
        Frames that could not be read: they are not tried again, and new ones are added.

    Raises InputError, when it draws, where no frame of a class can be read.
    """

    def __init__(
        self,
        presentations: Sequence[Presentation],
        per_class: int,
        size: int,
        seed: int,
        shift: int = 0,
        augment: str = "none",
        first: int = 0,
        step: int = 1,
        readers: Executor | None = None,
        unreadable: set[Path] | None = None,
    ) -> None:
        (domain,) = {p.domain for p in presentations}
        self._domain, self._unreadable = domain, set() if unreadable is None else unreadable
        self._frames = [
            sorted((f for p in presentations if p.live is live for f in p.frames), key=_parts)
            for live in (False, True)
        ]
        self._per_class, self._size, self._shift = per_class, size, shift
        self._augment = augment == "camera"
        self._seed = [seed, int.from_bytes(hashlib.sha256(domain.encode()).digest()[:4])]
        self._first, self._step = first, step
        self._map = map if readers is None else readers.map
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        self.drawn = 0
        """Batches drawn so far; set it to resume."""

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return the next batch: images (2 * per_class, 3, size, size), live int64."""
        number = self._first + self._step * self.drawn
        rng = np.random.default_rng([*self._seed, 2, number])
        wanted = [(label, place) for label in (0, 1) for place in self._places(label, number)]
        read = self._map(self._read, *zip(*wanted, strict=True))
        images = [self._vary(image, rng) for image in read]
        self.drawn += 1
        live = torch.tensor([0, 1]).repeat_interleave(self._per_class)
        return to_batch(images), live

    def _read(self, label: int, place: int) -> np.ndarray:
        """Decode a class's frame, or the next that can be decoded."""
        frames = self._frames[label]
        for path in (frames[(place + more) % len(frames)] for more in range(len(frames))):
            if path in self._unreadable:
                continue
            try:
                return load_frame(path, self._size)
            except InputError as error:
                note_unreadable(self._unreadable, path, error)
        raise InputError(
            f"domain '{self._domain}': none of its {len(frames)} frames of "
            f"{('attacks', 'live faces')[label]} to learn from can be read; restore them"
        )

    def _vary(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        left, top = rng.integers(0, 2 * self._shift + 1, 2)
        mirrored = rng.random() < 0.5
        if self._shift:
            image = cv2.copyMakeBorder(image, *[self._shift] * 4, cv2.BORDER_REFLECT_101)
            image = image[top : top + self._size, left : left + self._size]
        if self._augment:
            image = as_cameras_vary(image, rng)
        return image[:, ::-1] if mirrored else image

    def _places(self, label: int, number: int) -> list[int]:
        """Return where batch `number`'s frames of a class stand in their list."""
        count, first = len(self._frames[label]), number * self._per_class
        positions = (divmod(first + i, count) for i in range(self._per_class))
        return [int(self._order(label, epoch)[index]) for epoch, index in positions]

    def _order(self, label: int, epoch: int) -> np.ndarray:
        """Return the order of a class's frames in an epoch; the last one asked for is kept."""
        kept, order = self._orders.get(label, (None, None))
        if kept != epoch:
            rng = np.random.default_rng([*self._seed, label, epoch])
            order = rng.permutation(len(self._frames[label]))
            self._orders[label] = epoch, order
        return order


def join(batches: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Concatenate batches into one."""
    images, live = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(live)
