"""Interleaved rounds of variants, and the tables they make.

In: variants by name and what runs one. Out: records, Markdown: medians, ranges, ratios of medians.
Knows nothing of proxies, origins or loads.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from statistics import median


def rounds(label, variants, count, run):
    """All records by variant's name: each round runs every variant once, in an order that turns."""
    records = {name: [] for name in variants}
    for number in range(count):
        names = list(variants)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            try:
                record = run(variants[name], number)
            except (RuntimeError, OSError, ValueError, LookupError, subprocess.SubprocessError) as e:  # the others' figures stay
                record = {"failed": " ".join(f"{type(e).__name__}: {e}".split())[:300]}
            records[name].append(record)
            print(f"{label} {number + 1}/{count} {name}: {record}", file=sys.stderr, flush=True)
    return records


def report(title, records, columns, per, comparisons=()):
    """Markdown of one measurement; `comparisons` are (words, key, ours, theirs, at most or None)."""
    good = {k: rows for k, v in records.items() if (rows := [r for r in v if "failed" not in r])}
    lines = [f"### {title}", "", *table(good, columns, per), ""]
    lines += [f"- failed: {k}: {r['failed']}" for k, v in records.items() for r in v if "failed" in r]
    lines += [ratio(good, *c) for c in comparisons if c[2] in good and c[3] in good]
    return "\n".join([*lines, "", *noise([r for v in good.values() for r in v])])


def ratio(records, words, key, ours, theirs, most=None):
    a, b = (median(r[key] for r in records[name]) for name in (ours, theirs))
    asked = "" if most is None else f" (asked for: {most})"
    return f"- {words}: {ours} is **{a / b if b else float('inf'):.2f}** x {theirs}{asked}"


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


def arguments(doc, names):
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"measurements: {' '.join(names)} (all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="length of the window that is looked at")
    parser.add_argument("--only", default="", help="variants whose name holds one of these words, with commas")
    parser.add_argument("--nice", type=int, default=0, help="priority of all that is measured; -20 goes before all else")
    parser.add_argument("--json", help="write all records there")
    parser.add_argument("--bin", default=os.environ.get("PENSTOCK_BINS", "target/release"),
                        help="directory of penstock-bench and penstock-origin")
    parser.add_argument("--binary", default=os.environ.get("PENSTOCK_BIN", "target/release/penstock"))
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in names]
    if unknown:
        parser.error(f"no measurement {unknown[0]}")
    args.names = args.names or list(names)
    return args


def chosen(args, variants):
    words = [word for word in args.only.split(",") if word]
    return {k: v for k, v in variants.items() if not words or any(word in k for word in words)}


def program(*candidates):
    """The first of these that can be run."""
    for candidate in candidates:
        if candidate and shutil.which(candidate):
            return os.path.abspath(shutil.which(candidate))
    raise RuntimeError(f"none of these is there: {', '.join(filter(None, candidates))}")


def head(args, versions):
    print(f"{'; '.join(versions)}; Linux {platform.release()}; {args.rounds} interleaved rounds of "
          f"{args.seconds:g} s, medians (ranges)\n", flush=True)


def version(argv):
    try:
        told = subprocess.run(argv, capture_output=True, text=True, timeout=10)
        return next((line.strip() for line in (told.stdout + told.stderr).splitlines() if line.strip()), "?")
    except (OSError, subprocess.SubprocessError) as e:
        return f"{argv[0]}: {e}"


def keep(args, measurements):
    """All records, after each measurement, so that a long run that ends early leaves something."""
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"date": datetime.datetime.now().isoformat(timespec="seconds"), "kernel": platform.release(),
                       "rounds": args.rounds, "seconds": args.seconds, "measurements": measurements}, f, indent=1)


def failed(measurements):
    return any("failed" in r for m in measurements.values() for v in m.values() for r in v)
