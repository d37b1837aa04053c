"""Tables of variants that were measured in several rounds.

In: records by variant. Out: Markdown: medians and ranges. Knows nothing of proxies, origins or loads.
"""
import os
import shutil
from statistics import median


def table(rows, columns, per):
    yield "| | " + " | ".join(head.format(per) for head, _ in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, records in rows.items():
        yield f"| {name} | " + " | ".join(cell(records, key) for _, key in columns) + " |"


def noise(records):
    if not records:
        return []
    others, stolen = (sorted(r[key] for r in records) for key in ("foreign_pct", "stolen_pct"))
    return [f"Meanwhile other programs used {median(others):.1f} % of a CPU ({others[-1]:.0f} % at most); "
            f"{median(stolen):.1f} % was stolen.", ""]


def cell(records, key):
    """The median, and the range where rounds differ."""
    values = sorted(key(r) if callable(key) else r[key] for r in records)
    shown = [number(v) for v in (median(values), values[0], values[-1])]
    return shown[0] if shown[1] == shown[2] else f"{shown[0]} ({shown[1]}–{shown[2]})"


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def chosen(args, variants):
    words = [word for word in args.only.split(",") if word]
    return {k: v for k, v in variants.items() if not words or any(word in k for word in words)}


def program(*candidates):
    """The first of these that can be run."""
    for candidate in candidates:
        if candidate and shutil.which(candidate):
            return os.path.abspath(shutil.which(candidate))
    raise RuntimeError(f"none of these is there: {', '.join(filter(None, candidates))}")


