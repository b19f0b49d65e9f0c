"""What `data_samples/` holds, where it lies, how it is built and how it is checked.

The benchmark is a pure function of (seed, inventory, subjects, size, preset) and of the versions
named in its README: subjects are rendered independently of one another, so the number of worker
processes, an interruption, or the order in which they finish changes no byte.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

import hfnmp_lite
from hfnmp_lite.data import showcase, workers
from hfnmp_lite.data.presentations import MANIFEST_COLUMNS, read_manifest, write_manifest
from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.simulate import cues, scene
from hfnmp_lite.simulate.devices import PRESETS
from hfnmp_lite.simulate.domains import Domain
from hfnmp_lite.simulate.inventory import SHIPPED, inventory_of

CUE_MAPS = 3  # presentations with maps, for every domain, attack type and cue
CUE_COLUMNS = ("path", "cue", "maps", "without", "envelope", "envelope_max", "mask_share")
CHECKSUMS = "checksums.sha256"


@dataclass(frozen=True)
class Plan:
    """The arguments that decide every byte of a build."""

    seed: int = 0
    inventory: str = SHIPPED
    subjects: int = 80
    size: int = 128
    preset: str = "physical"

    @property
    def domains(self) -> dict[str, Domain]:
        """The data sets that are built, by name."""
        return inventory_of(self.inventory)

    def check(self) -> None:
        """Raise `InputError` where an argument cannot be used."""
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; expected 0 or more: give --seed 0, 1, 2, ...")
        inventory_of(self.inventory)
        if not 1 <= self.subjects <= 1000:
            raise InputError(
                f"subjects is {self.subjects}; expected 1 to 1000 in each domain, 80 by default"
            )
        if not 32 <= self.size <= 1024:
            raise InputError(f"size is {self.size}; expected 32 to 1024 pixels, 128 by default")
        if self.preset not in PRESETS:
            raise InputError(f"preset is '{self.preset}'; expected {' or '.join(PRESETS)}")

    def number(self, domain: str, subject: int, presentation: int, kind: int) -> int:
        """Return the place of a presentation in the shuffled order of files."""
        names = list(self.domains)
        shape = (len(names), self.subjects, scene.PRESENTATIONS, len(scene.KINDS))
        place = (names.index(domain), subject, presentation, kind)
        order = np.random.default_rng([self.seed, 1]).permutation(int(np.prod(shape)))
        return int(order[np.ravel_multi_index(place, shape)])


def root() -> Path:
    """Return where `data_samples/` lies: in the installed package, else in the checkout."""
    package = Path(hfnmp_lite.__file__).resolve().parent
    inside = package / "data_samples"
    return inside if inside.is_dir() else package.parent / "data_samples"


def notebooks_root() -> Path:
    """Return where `notebooks/` lies: in the installed package, else in the checkout."""
    package = Path(hfnmp_lite.__file__).resolve().parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


# --- building -----------------------------------------------------------------------------------


def build(
    out: str | Path,
    seed: int = 0,
    inventory: str = SHIPPED,
    subjects: int = 80,
    size: int = 128,
    preset: str = "physical",
    workers_count: int | None = None,
    progress: bool = True,
) -> Path:
    """Render the benchmark into the folder `out`, which appears complete or not at all.

    Work in progress lies beside it in `.NAME.partial`; the same call after an interruption goes on
    from the subjects that are finished.

    Parameters
    ----------
    out : path
        Must not exist, or be empty.
    seed, inventory, subjects, size, preset
        As in `Plan`: `inventory` is "shipped", or the seed of one that is drawn; subjects are per
        domain, `size` is the side of the images in pixels.
    workers_count : int, optional
        Processes; by default one for each processor. Changes no byte of the result.

    Raises
    ------
    InputError
        An argument cannot be used; `out` is not empty; a partial build has other arguments.
    """
    plan = Plan(seed, str(inventory), subjects, size, preset)
    plan.check()
    out = Path(out)
    partial = _claim(out, plan)
    count = workers.default_count() if workers_count is None else workers_count
    with workers.pool(count) as submit:
        _render_subjects(partial, plan, submit, progress)
        rows = _collect(partial, plan)
        write_manifest(partial / "manifest.csv", rows)
        _render_cues(partial, plan, rows, submit, progress)
        showcase.astronaut(partial / "astronaut", plan.seed, plan.domains, submit)
    write_whole(partial / "contact_sheet.jpg", showcase.contact_sheet(partial, rows))
    write_whole(partial / "devices.jpg", showcase.device_sheet(partial, rows))
    made_with = json.loads((partial / "build.json").read_text())["versions"]
    shutil.rmtree(partial / "parts")
    (partial / "build.json").unlink()
    write_whole(partial / CHECKSUMS, _checksums(partial))
    # a page, not data: it quotes what is measured on the build
    write_whole(partial / "README.md", showcase.readme(asdict(plan), made_with, rows))
    if out.exists():
        out.rmdir()
    os.replace(partial, out)
    return out


def versions() -> dict[str, str]:
    """Return what, beside the arguments, decides the bytes of a build."""
    return {
        "hfnmp_lite": hfnmp_lite.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.machine(),
        "simulator": source_digest(),
    }


def source_digest() -> str:
    """Return the first 12 digits of the SHA-256 of the simulator's source."""
    digest = hashlib.sha256()
    for path in sorted(Path(scene.__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


def _claim(out: Path, plan: Plan) -> Path:
    """Check that `out` is free; return its partial folder, fresh or begun with the same plan."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "a finished build" if (out / "manifest.csv").is_file() else "something else"
        raise InputError(
            f"{out} holds {what} and is not overwritten; give a new folder, or remove it first"
        )
    partial = out.parent / f".{out.name}.partial"
    record = {"plan": asdict(plan), "versions": versions()}
    try:
        found = json.loads((partial / "build.json").read_text())
    except FileNotFoundError:
        found = None
    except ValueError:
        found = {}
    if found is None and partial.exists() and any(partial.iterdir()):
        raise InputError(f"{partial} is in the way and is no partial build; remove it first")
    if found is not None and found != record:
        raise InputError(
            f"{partial} is a build begun with other arguments or versions "
            f"({found.get('plan', 'unknown')}); finish it with those, or remove it"
        )
    for name in ("frames", "parts", "cues"):
        (partial / name).mkdir(parents=True, exist_ok=True)
    write_whole(partial / "build.json", json.dumps(record, indent=1))
    return partial


def _render_subjects(partial: Path, plan: Plan, submit: Callable, progress: bool) -> None:
    jobs = [(domain, i) for i in range(plan.subjects) for domain in plan.domains]
    waiting = [job for job in jobs if not _finished(partial, *job)]
    frames = scene.PRESENTATIONS * len(scene.KINDS) * scene.FRAMES
    with tqdm(total=len(jobs) * frames, desc="frames", unit="img", disable=not progress) as bar:
        bar.update((len(jobs) - len(waiting)) * frames)
        for _ in submit(_render_subject, [(partial, plan, *job) for job in waiting]):
            bar.update(frames)


def _part(partial: Path, domain: str, subject: int) -> Path:
    return partial / "parts" / f"{domain}-{subject:03d}.json"


def _finished(partial: Path, domain: str, subject: int) -> bool:
    try:
        rows = json.loads(_part(partial, domain, subject).read_text())
        return all(_sha256(partial / row["path"]) == row["sha256"] for row in rows)
    except (OSError, ValueError, KeyError):
        return False


def _render_subject(partial: Path, plan: Plan, domain: str, subject: int) -> None:
    """Render all frames of one subject, then write the rows that say that they are there."""
    rows = []
    drawn = scene.draw_subject_takes(plan.domains[domain], plan.seed, subject, preset=plan.preset)
    for key, takes in drawn.items():
        number = plan.number(domain, subject, key.presentation, scene.KINDS.index(key.kind))
        for index, take in enumerate(takes):
            frame = scene.render(take, plan.size)
            path = f"frames/{number * scene.FRAMES + index:06d}.jpg"
            (partial / path).write_bytes(frame.jpeg)
            parameters = scene.describe(take, frame)
            place = subject, key.presentation, index
            parameters["draw"] = [plan.seed, *place, plan.preset, plan.inventory]
            rows.append(
                {
                    "path": path,
                    "sha256": hashlib.sha256(frame.jpeg).hexdigest(),
                    "domain": domain,
                    "subject": f"{domain}-{subject:03d}",
                    "presentation": f"p{number:05d}",
                    "frame": index,
                    "live": int(take.attack_type is None),
                    "attack_type": take.attack_type or "",
                    "camera": take.camera.name,
                    "instrument": scene.instrument(take) or "",
                    "light": take.light,
                    "ita": f"{take.subject.ita:.1f}",
                    "parameters": json.dumps(parameters, separators=(",", ":")),
                }
            )
    write_whole(_part(partial, domain, subject), json.dumps(rows))


def _collect(partial: Path, plan: Plan) -> list[dict]:
    rows = []
    for domain in plan.domains:
        for subject in range(plan.subjects):
            rows += json.loads(_part(partial, domain, subject).read_text())
    return sorted(rows, key=lambda row: row["path"])


def take_of(row: dict) -> scene.Take:
    """Draw again the take behind a row of the manifest (as `csv.DictReader` gives it).

    Its images can then be rendered at another size, with cues on or off.
    """
    seed, subject, presentation, index, preset, inventory = json.loads(row["parameters"])["draw"]
    domain = inventory_of(inventory)[row["domain"]]
    drawn = scene.draw_subject_takes(domain, seed, subject, preset=preset)
    return drawn[scene.Key(presentation, row["attack_type"] or None)][index]


# --- cue maps -----------------------------------------------------------------------------------


def choose_cue_rows(rows: Iterable[dict]) -> list[tuple[dict, str]]:
    """Choose the (row, cue) pairs that get maps.

    For every domain, attack type and cue: the first `CUE_MAPS` presentations in the order of the
    files whose first frame shows that cue (a located cue: mean envelope over a thousandth), filled
    up with those that show it most.
    """
    chosen = []
    first = [row for row in rows if int(row["frame"]) == 0]
    for domain in sorted({row["domain"] for row in first}):
        for attack_type, names in scene.CUES_OF.items():
            group = [r for r in first if (r["domain"], r["attack_type"]) == (domain, attack_type)]
            for cue in names:
                level = [json.loads(r["parameters"])["cues"].get(cue, 1.0) for r in group]
                order = sorted(
                    range(len(group)),
                    key=lambda i: (level[i] < 1e-3, -level[i] * (level[i] < 1e-3)),
                )
                chosen += [(group[i], cue) for i in order[:CUE_MAPS]]
    return chosen


def _render_cues(
    partial: Path, plan: Plan, rows: list[dict], submit: Callable, progress: bool
) -> None:
    chosen: dict[str, tuple[dict, list[str]]] = {}
    for row, cue in choose_cue_rows(rows):
        chosen.setdefault(row["path"], (row, []))[1].append(cue)
    jobs = [(partial, plan.size, row, names) for row, names in chosen.values()]
    total = sum(len(names) for _, names in chosen.values())
    lines = []
    with tqdm(total=total, desc="cue maps", unit="map", disable=not progress) as bar:
        for found in submit(_render_cues_of, jobs):
            lines += found
            bar.update(len(found))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CUE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(lines, key=lambda line: (line["path"], line["cue"])))
    write_whole(partial / "cues" / "manifest.csv", text.getvalue())


def _render_cues_of(partial: Path, size: int, row: dict, names: list[str]) -> list[dict]:
    take = take_of(row)
    return [_render_cue(partial, size, row["path"], take, cue) for cue in names]


def _render_cue(partial: Path, size: int, path: str, take: scene.Take, cue: str) -> dict:
    """Write one counterfactual: its maps, the frame without the cue, the analytic envelope."""
    found = cues.counterfactual(take, cue, size)
    stem = f"cues/{Path(path).stem}-{cue}"
    layers = [found.soft_before_jpeg, found.soft_after_jpeg, found.mask * 255.0]
    maps = np.clip(np.rint(np.stack(layers, -1)), 0, 255).astype(np.uint8)
    _write_png(partial / f"{stem}.png", maps[..., ::-1])
    (partial / f"{stem}-off.jpg").write_bytes(found.without.jpeg)
    line = {
        "path": path,
        "cue": cue,
        "maps": f"{stem}.png",
        "without": f"{stem}-off.jpg",
        "mask_share": f"{found.mask.mean():.4f}",
    }
    if found.envelope is not None:
        top = float(found.envelope.max())
        scaled = np.rint(found.envelope / top * 255) if top > 0 else found.envelope
        _write_png(partial / f"{stem}-envelope.png", scaled.astype(np.uint8))
        line |= {"envelope": f"{stem}-envelope.png", "envelope_max": f"{top:.6g}"}
    return line


def _write_png(path: Path, image: np.ndarray) -> None:
    ok, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not ok:
        raise RuntimeError(f"OpenCV could not encode {path}")
    path.write_bytes(data.tobytes())


# --- checking -----------------------------------------------------------------------------------


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checksums(folder: Path) -> str:
    """List every file as `sha256sum` does (`sha256sum -c checksums.sha256` reads it too)."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return "".join(f"{_sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files)


def verify(folder: str | Path) -> list[str]:
    """Check a build against its checksums; return one line for each thing that is wrong.

    Files are missing, damaged or cannot be read; frames lie there that no row lists; the manifest
    cannot be read or disagrees with the checksums. `results/` is no part of the build.
    """
    folder = Path(folder)
    try:
        text = (folder / CHECKSUMS).read_text()
    except (OSError, UnicodeDecodeError) as error:
        return [
            f"{folder / CHECKSUMS}: cannot be read ({error}); without it nothing can be checked"
        ]
    listed, problems = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or name in listed:
            problems.append(f"{CHECKSUMS}: line {number} is damaged")
            continue
        listed[name] = digest
    for name, digest in listed.items():
        problem = _problem(folder / name, digest)
        if problem:
            problems.append(f"{name}: {problem}")
    problems += _verify_manifest(folder, listed)
    for path in sorted((folder / "frames").glob("*")):
        if f"frames/{path.name}" not in listed:
            problems.append(f"frames/{path.name}: is not part of the build")
    return problems


def _problem(path: Path, digest: str) -> str | None:
    try:
        return None if _sha256(path) == digest else "damaged (its sha256 differs)"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _verify_manifest(folder: Path, listed: dict[str, str]) -> list[str]:
    try:
        read_manifest(folder / "manifest.csv")
        with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (InputError, OSError) as error:
        return [f"manifest.csv: {error}"]
    if tuple(rows[0]) != MANIFEST_COLUMNS:
        return [f"manifest.csv: has columns {','.join(rows[0])}; expected the build's"]
    return [
        f"manifest.csv: {row['path']} has a sha256 that differs from {CHECKSUMS}'s"
        for row in rows
        if listed.get(row["path"]) != row["sha256"]
    ]
