"""Jobs are done once: again, interrupted, damaged, and two at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stand_ins

from hfnmp_lite.files import InputError, exclusive
from hfnmp_lite.jobs import do_all

HERE = Path(__file__).parent


def jobs_in(folder: Path, count: int = 3, **more: object) -> list[dict[str, object]]:
    return [{"number": n, "log": str(folder / "log.txt"), **more} for n in range(count)]


def done(folder: Path) -> list[str]:
    log = folder / "log.txt"
    return sorted(log.read_text().split()) if log.exists() else []


def test_a_job_that_is_done_is_not_done_again_and_results_keep_the_order(tmp_path):
    jobs, out = jobs_in(tmp_path), tmp_path / "out"
    first = do_all(stand_ins.squared, jobs[:2], out, workers=2, progress=False)
    assert first == [{"square": 0}, {"square": 1}]
    # others, in another order, a job written in another order among them
    turned = dict(reversed(jobs[1].items()))
    again = do_all(stand_ins.squared, [jobs[2], turned, jobs[0]], out, progress=False)
    assert again == [{"square": 4}, {"square": 1}, {"square": 0}]
    assert done(tmp_path) == ["0", "1", "2"]
    files = [path for path in out.iterdir() if path.suffix == ".json"]
    assert len(files) == 3
    assert all(json.loads(path.read_text())["job"] in jobs for path in files)
    # what differs in anything is another job
    do_all(stand_ins.squared, [jobs[0] | {"simulator": "new"}], out, progress=False)
    assert done(tmp_path) == ["0", "0", "1", "2"]


def test_one_that_fails_keeps_those_that_are_done(tmp_path):
    jobs, out = jobs_in(tmp_path, fails=2), tmp_path / "out"
    with pytest.raises(InputError, match="number 2 cannot be done"):
        do_all(stand_ins.squared, jobs, out, progress=False)
    assert done(tmp_path) == ["0", "1"]
    assert len(list(out.glob("*.json"))) == 2
    with pytest.raises(InputError, match="number 2"):
        do_all(stand_ins.squared, jobs, out, progress=False)
    assert done(tmp_path) == ["0", "1"]


@pytest.mark.parametrize("content", ["", "{", '{"job": {}}', "[1, 2]"])
def test_a_damaged_result_is_named_and_done_again_once_it_is_gone(tmp_path, content):
    jobs, out = jobs_in(tmp_path, 1), tmp_path / "out"
    do_all(stand_ins.squared, jobs, out, progress=False)
    (path,) = out.glob("*.json")
    path.write_text(content)
    with pytest.raises(InputError, match=f"{path.name}: is damaged .*remove it") as refused:
        do_all(stand_ins.squared, jobs, out, progress=False)
    assert "\n" not in str(refused.value)
    path.unlink()
    assert do_all(stand_ins.squared, jobs, out, progress=False) == [{"square": 0}]
    assert done(tmp_path) == ["0", "0"]


def test_two_in_one_folder_refuse_each_other(tmp_path):
    out = tmp_path / "out"
    with (
        exclusive(out / "jobs"),
        pytest.raises(InputError, match="another process"),
    ):
        do_all(stand_ins.squared, jobs_in(tmp_path), out, progress=False)
    assert done(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_ended_halfway_the_same_call_goes_on(tmp_path, ending):
    out = tmp_path / "out"
    waiting = jobs_in(tmp_path, 6, waits=str(tmp_path / "go"))
    code = (
        "import signal, stand_ins\n"
        "from hfnmp_lite.jobs import do_all\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "if __name__ == '__main__':\n"
        f"    do_all(stand_ins.squared, {waiting!r}, {str(out)!r}, progress=False)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    places = {"PYTHONPATH": str(HERE)}
    process = subprocess.Popen(
        [sys.executable, script], env=os.environ | places, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while "0" not in done(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)  # the first is done, the second waits
        process.send_signal(ending)
        if ending == signal.SIGINT:
            (tmp_path / "go").touch()  # a job that is begun may end
        process.wait(60)
    finally:
        process.kill()
    (tmp_path / "go").touch()
    before = {p: p.stat().st_mtime_ns for p in out.glob("*.json")}
    assert 1 <= len(before) < 6
    deadline = time.monotonic() + 60
    while True:  # the killed process's worker leaves by itself
        try:
            results = do_all(stand_ins.squared, waiting, out, progress=False)
            break
        except InputError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert results == [{"square": n**2} for n in range(6)]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert not [p for p in out.iterdir() if p.suffix != ".json" and p.name != ".jobs.lock"]
