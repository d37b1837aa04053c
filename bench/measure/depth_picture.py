#!/usr/bin/env python3
"""A picture of the depth at work: what penstock decides while a member's answers change.

In: seconds of each load, and where the picture goes (`--from`: a run that was kept). Out: an SVG, the samples as JSON.
Knows nothing of how the depth is decided: it shows what /metrics says, every 100 ms.
"""
import argparse
import json
import os
import re
import sys
import tempfile
import time
import urllib.request

import figures
import loads
import procs
from loads import LISTEN
from proxies import ADMIN_PORT, penstock

PROXY_CPUS, LOAD_CPUS = {0}, {1}
ORIGIN_PORT = 18720
CLIENTS, SOURCES = 500, "127.1.0.1-127.1.1.244"
LINKS, PIPELINE = 512, 32
UNUSED = "1s"  # so that links which are not needed any more are seen to go
EVERY = 0.1

# (what stands over the panel, parts of the mix)
LOADS = [
    (("quick",), ["/hello=1"]),
    (("1 in 100 takes 200 ms", "on a route of its own"), ["/hello=99", "/delay/200=1"]),
    (("1 in 100 takes 200 ms", "on the same route"), ["/mixed?slow=1/100&ms=200=1"]),
    (("quick",), ["/hello=1"]),
    (("all take 200 ms",), ["/delay/200=1"]),
    (("quick",), ["/hello=1"]),
]

SERIES = re.compile(r'^penstock_backend_(?P<name>pipeline_depth_limit|pipeline_depth_reason|connections)'
                    r'\{(?P<labels>[^}]*)\} (?P<value>\S+)$', re.M)
RESCUED = re.compile(r'^penstock_retries_total\{(?=[^}]*reason="rescue")(?=[^}]*result="ok")[^}]*\} (\S+)$', re.M)


def sample(text):
    """What the picture shows of one answer of /metrics."""
    found = {"depth": 0, "reason": "start", "busy": 0, "links": 0, "rescued": sum(map(float, RESCUED.findall(text)))}
    for match in SERIES.finditer(text):
        value, labels = float(match["value"]), dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
        if match["name"] == "pipeline_depth_limit":
            found["depth"] = value
        elif match["name"] == "pipeline_depth_reason":
            found["reason"] = labels["reason"] if value else found["reason"]
        else:
            found["links"] += value
            found["busy"] += value if labels["state"] == "busy" else 0
    return found


def scrape():
    with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN_PORT}/metrics", timeout=10) as answer:
        return sample(answer.read().decode())


def run(binary, bins, seconds):
    """Samples, and when each load began."""
    with tempfile.TemporaryDirectory(prefix="penstock-measure-") as tmp:
        argv = [figures.program(f"{bins}/penstock-origin"), "--listen", f"a=127.0.0.1:{ORIGIN_PORT}"]
        with procs.Program(argv, LOAD_CPUS, f"{tmp}/origin.out") as origin:
            origin.wait_until(lambda: loads.listens(ORIGIN_PORT))
            links = {"max_per_member": LINKS, "pipeline": PIPELINE, "idle_timeout": UNUSED}
            start = penstock(binary, "http", links)
            with start(tmp, ORIGIN_PORT, PROXY_CPUS) as proxy:
                proxy.wait_until(lambda: loads.listens(ADMIN_PORT))
                return watch(f"{bins}/penstock-bench", seconds, tmp)


def watch(bench, seconds, tmp):
    began, samples, starts = time.monotonic(), [], []
    for _, mix in LOADS:
        starts.append(time.monotonic() - began)
        argv = [figures.program(bench), "load", "--no-check", f"http://127.0.0.1:{LISTEN}", "--clients", CLIENTS, "--sources",
                SOURCES, "--duration", f"{seconds * 1000:.0f}ms", *(word for part in mix for word in ("--mix", part))]
        with procs.Program(argv, LOAD_CPUS, f"{tmp}/load.out") as load:
            while load.alive():
                samples.append({"at": time.monotonic() - began, **scrape()})
                time.sleep(EVERY)
        if load.popen.returncode != 0:
            raise RuntimeError(f"the load failed: {load.said()[-300:]}")
    return {"seconds": seconds, "starts": starts, "end": time.monotonic() - began, "samples": samples}


# ---- the picture

WIDTH, LEFT, RIGHT = 960, 64, 16
COLOURS = {"start": "#9e9e9e", "ceiling": "#2e7d32", "budget": "#1565c0", "mixed": "#ef6c00", "spread": "#6a1b9a",
           "broken": "#c62828"}
INK, PALE, GRID = "#222222", "#555555", "#dddddd"
DEPTH, REASON, INUSE, HEIGHT = (70, 150), (228, 14), (290, 170), 520


class Drawing:
    """Elements of an SVG, with the run's time from left to right."""

    def __init__(self, end):
        self.end, self.parts = end, []

    def x(self, at):
        return LEFT + (WIDTH - LEFT - RIGHT) * at / self.end

    def add(self, element, text=None, **attributes):
        words = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attributes.items())
        self.parts.append(f"<{element}{words}/>" if text is None else f"<{element}{words}>{text}</{element}>")

    def line(self, x1, y1, x2, y2, stroke, **more):
        self.add("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", stroke=stroke, **more)

    def text(self, x, y, words, **more):
        self.add("text", words, x=f"{x:.1f}", y=f"{y:.1f}", **{"fill": INK, **more})

    def steps(self, points, stroke):
        """A line that stays until it changes."""
        path = "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:])
        self.add("path", d=f"M{points[0][0]:.1f},{points[0][1]:.1f}{path}H{self.x(self.end):.1f}", stroke=stroke,
                 fill="none", stroke_width=1.8)


def scale(panel, most):
    """Where a value stands in a panel: by its logarithm, from 1 (0 stands there, too)."""
    top, height = panel
    steps = most.bit_length() - 1
    return lambda value: top + height * (1 - (0 if value <= 1 else log2(value)) / steps)


def log2(value):
    whole = int(value).bit_length() - 1
    return whole + (value / 2**whole - 1)


def axis(drawing, panel, most, title, every=1):
    y = scale(panel, most)
    drawing.text(LEFT, panel[0] - 10, title, font_weight="bold")
    for power in range(0, most.bit_length(), every):
        at = y(2**power)
        drawing.line(LEFT, at, WIDTH - RIGHT, at, GRID)
        drawing.text(LEFT - 8, at + 4, 2**power, text_anchor="end", fill=PALE)
    return y


def svg(told):
    drawing = Drawing(told["end"])
    samples, starts = told["samples"], told["starts"]
    drawing.add("rect", width=WIDTH, height=HEIGHT, fill="#ffffff")
    for at, (words, _) in zip(starts, LOADS):
        bottom = INUSE[0] + INUSE[1]
        drawing.line(drawing.x(at), 8, drawing.x(at), bottom, "#888888", stroke_dasharray="3 3")
        for row, word in enumerate(words):
            drawing.text(drawing.x(at) + 5, 19 + 14 * row, word, fill=PALE)
    y = axis(drawing, DEPTH, PIPELINE, "depth: exchanges that a link may carry")
    drawing.steps([(drawing.x(s["at"]), y(s["depth"])) for s in samples], INK)
    reasons(drawing, samples)
    y = axis(drawing, INUSE, LINKS, "links: in use (line), and open (area)")
    area(drawing, [(drawing.x(s["at"]), y(s["links"])) for s in samples], y(1))
    drawing.steps([(drawing.x(s["at"]), y(s["busy"])) for s in samples], "#00695c")
    rescues(drawing, samples)
    seconds(drawing)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12">')
    name = "<title>Depth and its reason, and links, while a member's answers change</title>"
    return "\n".join([head, name, *drawing.parts, "</svg>", ""])


def area(drawing, points, bottom):
    path = "".join(f"H{x:.1f}V{y:.1f}" for x, y in points)
    end = f"{drawing.x(drawing.end):.1f}"
    drawing.add("path", d=f"M{points[0][0]:.1f},{bottom:.1f}{path}H{end}V{bottom:.1f}Z", fill="#b2dfdb")


def reasons(drawing, samples):
    top, height = REASON
    drawing.text(LEFT - 8, top + 11, "reason", text_anchor="end", fill=PALE)
    for sample, after in zip(samples, [*samples[1:], {"at": drawing.end}]):
        x, end = drawing.x(sample["at"]), drawing.x(after["at"])
        drawing.add("rect", x=f"{x:.1f}", y=top, width=f"{end - x + 0.3:.1f}", height=height,
                    fill=COLOURS[sample["reason"]])
    seen = [name for name in COLOURS if any(s["reason"] == name for s in samples)]
    for place, name in enumerate(seen):
        x = LEFT + 95 * place
        drawing.add("rect", x=x, y=top + height + 6, width=10, height=10, fill=COLOURS[name])
        drawing.text(x + 15, top + height + 15, name, fill=PALE)


def rescues(drawing, samples):
    """A stroke below the links for each sample in which requests were rescued."""
    top = INUSE[0] + INUSE[1] + 6
    drawing.text(LEFT - 8, top + 10, "rescues", text_anchor="end", fill=PALE)
    for before, sample in zip(samples, samples[1:]):
        if sample["rescued"] > before["rescued"]:
            x = drawing.x(sample["at"])
            drawing.line(x, top, x, top + 12, "#c62828", stroke_width=1.5)


def seconds(drawing):
    top = INUSE[0] + INUSE[1] + 24
    for second in range(0, int(drawing.end) + 1, 2):
        x = drawing.x(second)
        drawing.line(x, top, x, top + 4, PALE)
        drawing.text(x, top + 17, f"{second} s", text_anchor="middle", fill=PALE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="how long each load lasts")
    parser.add_argument("--out", default="docs/pictures/depth.svg")
    parser.add_argument("--json", help="keep the samples there")
    parser.add_argument("--from", dest="kept", help="draw these samples again, instead of a run")
    parser.add_argument("--bin", default=os.environ.get("PENSTOCK_BINS", "target/release"))
    parser.add_argument("--binary", default=os.environ.get("PENSTOCK_BIN", "target/release/penstock"))
    args = parser.parse_args()
    if args.kept:
        with open(args.kept) as f:
            told = json.load(f)
    else:
        procs.own_network()
        procs.set_up(LOAD_CPUS)
        told = run(args.binary, os.path.abspath(args.bin), args.seconds)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(told, f)
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    with open(args.out, "w") as f:
        f.write(svg(told))
    rescued = told["samples"][-1]["rescued"]
    print(f"{args.out}: {len(told['samples'])} samples, {rescued:.0f} requests rescued", file=sys.stderr)


if __name__ == "__main__":
    main()
