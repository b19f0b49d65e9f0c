"""The figures of a run in words, for the command line; metrics.json holds them all."""

from __future__ import annotations

from collections.abc import Mapping

REPAIRS = {
    "hter_quantile": "HTER at the quantile",
    "hter_adapted": "HTER, adapted statistics",
    "hter_adapted_quantile": "HTER, both",
}


def in_words(summary: Mapping[str, object]) -> str:
    """Return the figures of a run, as `run.run` or `run.evaluate` gives them, for reading."""
    protocol = f" (protocol {summary['protocol']})" if summary["protocol"] else ""
    lines = [
        f"target {summary['target']}{protocol}: {summary['n_presentations']} of "
        f"{summary['n_listed']} presentations scored",
        *(f"  {domain}: {text}" for domain, text in summary["lists"].items()),
    ]
    ranking = [
        f"  HTER at the oracle threshold  {100 * summary['hter_oracle']:5.1f} %  "
        "(chosen on the target: flattering)",
        f"  AUC                           {100 * summary['auc']:5.1f} %",
    ]
    if summary["threshold"] is None:
        said = "  (the checkpoint holds no threshold chosen on sources: no error rate at one)"
        return "\n".join([*lines, said, *ranking])
    interval = "(no interval: too few subjects behind live faces or attacks)"
    if summary["hter_ci"] is not None:
        low, high = summary["hter_ci"]
        interval = f"[{100 * low:.1f}, {100 * high:.1f}] (95 %, by subject)"
    repairs = [
        f"  {text:29} {100 * summary[name]:5.1f} %  (unlabelled pictures of the target; our choice)"
        for name, text in REPAIRS.items()
        if summary.get(name) is not None
    ]
    types = ", ".join(f"{name} {100 * share:.1f} %" for name, share in summary["apcer"].items())
    return "\n".join(
        [
            *lines,
            f"  HTER at the source threshold  {100 * summary['hter']:5.1f} %  {interval}",
            *repairs,
            *ranking,
            f"  attacks accepted (APCER)      {types}",
            f"  live rejected (BPCER)         {100 * summary['bpcer']:5.1f} %",
        ]
    )
