"""What worker processes do in tests of `ablate` instead of learning; imports nothing heavy."""

import json
import os
import signal
import time

from tqdm import tqdm

PEOPLE = {"phone-0": [1, 2, 0, 4], "phone-1": [0, 2, 2, 4]}


def quick(config, manifest, judged, scratch):
    """Give a row at once."""
    names = ("pattern", "order", "stages", "fusion", "loss", "inner_steps", "augment", "seed")
    return [
        {name: getattr(config, name) for name in names}
        | {"target": target, "hter": 0.25, "hter_oracle": 0.2, "auc": 0.8, "seconds": 1}
        | {"config": json.dumps(config.to_dict()), "subjects": json.dumps(PEOPLE)}
        | {"selected_on": "-", "threshold_rule": "-", "threads": 1}
        for target in judged
    ]


def killed_at_lbp(config, *rest):
    """End this process as the system does when memory runs out."""
    if config.pattern == "lbp":
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(config, *rest)


def slow_at_lbp(config, *rest):
    """Take a minute, as a run does, and hide a bar."""
    if config.pattern == "lbp":
        for _ in tqdm(range(60), disable=True):
            time.sleep(1)
    return quick(config, *rest)


def squared(job):
    """Square a number and say so in a file; wait for another file, or fail, where asked to."""
    from pathlib import Path

    from hfnmp_lite.files import InputError

    if job["number"] == job.get("fails"):
        raise InputError(f"number {job['number']} cannot be done")
    while job["number"] and "waits" in job and not Path(job["waits"]).exists():
        time.sleep(0.05)
    with open(job["log"], "a") as log:
        log.write(f"{job['number']}\n")
    return {"square": job["number"] ** 2}
