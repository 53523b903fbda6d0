"""The page with many listeners at once: how long each waits for an answer.

python -m benchmarks.serving [--n_songs 100000] [--listeners 30] [--n_queries 20] [--pause 0]
    [--to FILE.json]

Songs are the synthetic ones of `benchmarks.search`. Each listener asks for a word and a song, over
a connection of its own, and asks again once it has the answer and has paused. Listeners and server
share the machine.
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import build
from benchmarks.timing import machine

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve an index in a process of its own; gives the port."""
    command = [sys.executable, "-u", str(ROOT / "retrieve.py"), "serve", str(folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(line for line in server.stdout if line.startswith("http://"))
        yield int(address.split("/")[2].rpartition(":")[2])
    finally:
        server.terminate()
        server.wait()


def listen(port: int, songs: list[int], pause: float) -> list[float]:
    """Ask for one song after another; return the seconds that each answer took."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    seconds = []
    for song in songs:
        start = time.perf_counter()
        connection.request("GET", f"/search?words=one&like=S0-{song}")
        hits = json.loads(connection.getresponse().read())["hits"]
        seconds.append(time.perf_counter() - start)
        assert len(hits) == 10
        time.sleep(pause)
    connection.close()
    return seconds


def main() -> None:
    """Build, serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n_songs", type=int, default=100_000)
    parser.add_argument("--listeners", type=int, default=30)
    parser.add_argument("--n_queries", type=int, default=20, help="of each listener")
    parser.add_argument("--pause", type=float, default=0, help="seconds after an answer")
    parser.add_argument("--to", type=Path)
    given = parser.parse_args()
    print(f"{given.listeners} listeners, {given.n_songs} songs  ({machine()})")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(1, given.n_songs // 200), 256), dtype=np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "songs.index"
        build(folder, given.n_songs, 1, "auto", centres)
        asked = rng.integers(given.n_songs, size=(given.listeners, given.n_queries)).tolist()
        with served(folder) as port, ThreadPoolExecutor(given.listeners) as pool:
            listen(port, asked[0][:3], 0)  # the first answer reads all embeddings
            start = time.perf_counter()
            waits = pool.map(lambda songs: listen(port, songs, given.pause), asked)
            seconds = [one for of_listener in waits for one in of_listener]
            taken = time.perf_counter() - start
    found: dict[str, Any] = {"machine": machine(), "load": os.getloadavg()[0]}
    for name in ("n_songs", "listeners", "n_queries", "pause"):
        found[name] = getattr(given, name)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("most_ms", 1)):
        found[name] = round(1e3 * float(np.quantile(seconds, share)), 1)
    found["answers_a_second"] = round(len(seconds) / taken, 1)
    print("  an answer: p50 {p50_ms} ms, p95 {p95_ms} ms, at most {most_ms} ms".format(**found))
    print("  {answers_a_second} answers a second".format(**found))
    if given.to:
        given.to.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
