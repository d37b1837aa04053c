"""The pieces of `proxy/benches/`, each under callgrind by itself: no socket, no clock, nothing that another process could disturb."""
import json
import os
import pathlib
import subprocess

from callgrind import ENVIRONMENT, Costs

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIECES = (
    "parse-request", "parse-browser-request", "write-request", "parse-response", "encode-response", "encode-chunked-response",
    "link-exchange", "link-pipelined-exchange", "link-frame-exchange",
    "rendezvous-3-members", "rendezvous-64-members", "histogram-record",
)
ROUNDS = 2000  # of the short run; the long one does twice as many
TOLERANCE = 0.01  # of the instructions; between runs on one machine they differ by less than a thousandth


def built():
    """Builds the benchmarks, if they are not built, and returns their program.

    They have a target directory of their own. Cargo builds the program beside its benchmarks, with the features that the tests
    want of tokio (`test-util`, whose clock costs 12 % of the instructions of a relay), and would put it over the release build.
    """
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "pieces"
    command = ["cargo", "bench", "--quiet", "--package", "penstock", "--features", "bench", "--bench", "pieces",
               "--no-run", "--locked", "--message-format", "json", "--target-dir", f"{target}"]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if told.returncode:
        raise SystemExit("gate: the benchmarks cannot be built; the reason is above")
    messages = (json.loads(line) for line in told.stdout.splitlines() if line.startswith("{"))
    program = next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "pieces")
    names = subprocess.run([program, "--names"], capture_output=True, text=True, check=True).stdout.split()
    if names != list(PIECES):
        raise SystemExit(f"gate: proxy/benches has {names}; PIECES in gate/pieces.py must list the same")
    return program


def instructions(program, name, directory):
    """What one round of a piece costs: the difference of a long and a short run, by the rounds between them."""
    short, long = (run(program, name, rounds, directory) for rounds in (ROUNDS, 2 * ROUNDS))
    return round((long - short) / ROUNDS)


def run(program, name, rounds, directory):
    out = pathlib.Path(directory) / f"{name}.{rounds}.callgrind"
    out.unlink(missing_ok=True)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program, "--count", name, f"{rounds}"]
    told = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT}, check=False)
    if told.returncode:
        raise SystemExit(f"gate: {name} does not run:\n{told.stderr}")
    return Costs.of(out).instructions
