"""A page that is served for a test: in a thread, at a port of its own."""

import contextlib
import http.client
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
import uvicorn

from index_samples import TAGS, make_index
from retrieval.page import Page, make_app
from retrieval.search import Searcher
from retrieval.song_index import IndexedSong, SongIndex
from retrieval.song_map import song_map

BAD_TAG = "<img src=x onerror=document.title='run'>"
N_SONGS = 24


def sounding_index(folder: Path) -> SongIndex:
    """An index of songs with audio of 3 seconds, names as HTML, and a folder in their ids."""
    tone = 0.1 * np.sin(np.arange(3 * 8000) / 4)
    soundfile.write(folder / "tone.wav", tone, 8000)
    audio = str(folder / "tone.wav")
    songs = [
        IndexedSong(f"a & b/{number:02}?.wav", f"<b>Ann</b> {number}", f"Song {number}", audio)
        for number in range(N_SONGS)
    ]
    return make_index(N_SONGS, songs, tags=[BAD_TAG, *TAGS], folder=folder / "songs.index")


@contextlib.contextmanager
def served(index: SongIndex, hosts=("127.0.0.1",)):
    """Serve the page of an index; gives the port."""
    app = make_app(Page(Searcher(index), song_map(index)), hosts)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def get(port: int, target: str, **headers: str):
    """Ask for a target as it is written, which other clients would tidy up; status, head, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body
