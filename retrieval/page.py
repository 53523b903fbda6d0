"""The server of the page: routes that search an index and give out its audio, with `web/` as page.

All text goes out as JSON and is shown by `web/page.js` as text. A song's audio is asked for by the
song's id, so that no path from outside is ever opened.
"""

import mimetypes
import os
import re
import socket
import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from threadpoolctl import threadpool_limits

from errors import UserError
from preprocessing.mel.audio_files import READABLE
from retrieval.search import Hit, Searcher, Wanted
from retrieval.showing import playlist
from retrieval.song_index import IndexedSong, SongIndex
from retrieval.song_map import SongMap, song_map
from retrieval.words import kept_away_in, split_weight

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import BaseRoute, Mount, Route
    from starlette.staticfiles import StaticFiles
except ModuleNotFoundError:
    raise UserError(
        "the page needs two packages more: pip install 'starlette>=1.3,<2' uvicorn"
    ) from None

WEB = Path(__file__).parent / "web"
MOST_ANSWERS, MOST_ASKED = 100, 30  # songs shown; words and songs of a query
MOST_LETTERS, LETTERS_SHOWN = 500, 60  # of a word, or of a song's id; of one that is refused
# A page that only this machine reaches may be called by these. Starlette 1.3 takes what stands
# before the first colon for the name.
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]", "[")


class Refused(UserError):
    """A word that is not known: which of the words of its box it is, and tags in its place."""

    def __init__(self, text: str, box: str, parts: list[str], at: int, tags: list[str]):
        super().__init__(text)
        self.told = {"box": box, "parts": parts, "at": at, "tags": tags}


class Page:
    """Answers the page's questions."""

    def __init__(self, searcher: Searcher, places: SongMap):
        self.searcher, self.index, self.places = searcher, searcher.index, places
        self._one_reads = threading.Lock()  # word vectors are opened once

    def about(self, _request: Request) -> Response:
        """The tags, how many songs there are, and whether there is anything to hear."""
        has_audio = names_audio(self.index)
        tags = self.index.model.tags
        return JSONResponse({"tags": tags, "n_songs": len(self.index), "has_audio": has_audio})

    def search(self, request: Request) -> Response:
        """What was asked for, and the songs found."""
        wanted, hits = self._found(request)
        labels, songs = [one.label for one in wanted], [one.label for one in wanted if one.seed]
        shown = {"labels": labels, "songs": songs, "hits": [self._hit(hit) for hit in hits]}
        return JSONResponse(shown | {"notes": _notes(wanted)})

    def map(self, _request: Request) -> Response:
        """Places of the tags, and of songs with their names."""
        return JSONResponse(self._map)

    @cached_property
    def _map(self) -> dict[str, list]:
        songs = [self.index.song(row) for row in self.places.rows.tolist()]
        songs_at = zip(songs, self.places.songs.tolist(), strict=True)
        tags_at = zip(self.index.model.tags, self.places.tags.tolist(), strict=True)
        return {
            "songs": [[*place, song.name, song.song_id] for song, place in songs_at],
            "tags": [[*place, tag] for tag, place in tags_at],
        }

    def playlist(self, request: Request) -> Response:
        """The songs found, as a playlist of addresses of this server."""
        wanted, hits = self._found(request)
        songs = [self.index.song(hit.row) for hit in hits]
        base = str(request.base_url)
        entries = [(song.name, base + audio_address(song)) for song in songs if audio_file(song)]
        text = playlist(wanted, entries)
        named = {"Content-Disposition": 'attachment; filename="songs.m3u8"'}
        return Response(text, media_type="audio/x-mpegurl", headers=named)

    def audio(self, request: Request) -> Response:
        """The audio file of a song, whole or a range of it."""
        row = self.index.row_of(request.path_params["song_id"])
        file = None if row is None else audio_file(self.index.song(row))
        if file is None:
            raise HTTPException(404)
        ranges = request.headers.get("range", "")
        if not re.fullmatch(r"bytes=(\d{1,18}-\d{0,18}|-\d{1,18})", ranges, re.IGNORECASE):
            # One range is what players ask for. Of others the whole file may be given (RFC 9110,
            # 14.2), where Starlette refuses units that it does not know, and ranges of which some
            # are beyond the end.
            headers = request.scope["headers"]
            request.scope["headers"] = [one for one in headers if one[0] != b"range"]
        kind = mimetypes.guess_type(file.name)[0] or f"audio/{file.suffix[1:].lower()}"
        return FileResponse(file, media_type=kind)

    def _found(self, request: Request) -> tuple[list[Wanted], list[Hit]]:
        """Read and answer a query: `words`, `not`, `like` (may stand several times), `top`."""
        asked = request.query_params
        in_query = self.searcher.words.in_query
        words, without = (in_query("\n".join(asked.getlist(box))) for box in ("words", "not"))
        like = [song for song in asked.getlist("like") if song.strip()]
        if len(words + without + like) > MOST_ASKED:
            raise UserError(f"that is too much at once: ask for {MOST_ASKED} words and songs")
        for text in words + without + like:
            if len(text) > MOST_LETTERS:
                raise UserError(
                    f"{_quoted(text)} is too long: words and ids of songs have at most "
                    f"{MOST_LETTERS} letters"
                )
        if not (words or like):
            raise UserError("nothing is asked for: give some words, or a song to be near")
        top = (asked.getlist("top") or ["10"])[0]  # as the page reads its address
        if top not in map(str, range(1, MOST_ANSWERS + 1)):
            raise UserError(f"top must be a number from 1 to {MOST_ANSWERS}, not {top[:20]!r}")
        wanted = self._wanted(words, like, without)
        return wanted, self.searcher.search(wanted, int(top))

    def _wanted(self, words: list[str], like: list[str], without: list[str]) -> list[Wanted]:
        """Look words and songs up; a word that is not known is told as it helps a listener."""
        with self._one_reads:
            try:
                lines = "\n".join(words), like, "\n".join(without)
                return self.searcher.wanted(*lines, takes_files=False)
            except UserError:
                for box, parts in (("words", words), ("not", without)):
                    for at in range(len(parts)):
                        self._must_know(box, parts, at)
                raise

    def _must_know(self, box: str, parts: list[str], at: int) -> None:
        text = parts[at]
        lookup = self.searcher.words
        word, _ = (text, 1) if lookup.column(text) is not None else split_weight(text)
        try:
            lookup.vector(word)
        except UserError:  # it speaks of files and options, which a listener cannot give
            tags, away = lookup.proposals(word), kept_away_in(word)
            why = (
                f"{_quoted(word)} is no tag, and its meaning is not known here: try a tag such as "
                f"{', '.join(tags)}"
            )
            if away:
                why = f"{_quoted(word)} has a minus: write {_quoted(away)} in the field “But not”"
            raise Refused(why, box, parts, at, tags) from None

    def _hit(self, hit: Hit) -> dict:
        song = self.index.song(hit.row)
        return {
            "id": song.song_id,
            "artist": song.artist,
            "title": song.title or song.song_id,
            "tags": self.index.tags_of(hit.row),
            "score": hit.score,
            "by_part": hit.by_part,
            "audio": audio_address(song),
        }


def _notes(wanted: Sequence[Wanted]) -> list[str]:
    """What is done with words that are no tags."""
    return [f"“{one.word}” is no tag; {_meaning(one)}" for one in wanted if one.parts]


def _meaning(one: Wanted) -> str:
    read_as = f"it is read as {' + '.join(one.parts)}, and " if len(one.parts) > 1 else ""
    if one.stand_in:
        return f"{read_as}“{one.stand_in}” stands for it"
    if read_as:
        return f"{read_as}their word vectors say what it means"
    return "its word vector says what it means"


def _quoted(text: str) -> str:
    return f"“{text[:LETTERS_SHOWN]}…”" if len(text) > LETTERS_SHOWN else f"“{text}”"


def audio_file(song: IndexedSong) -> Path | None:
    """The audio of a song; None if the index names none, or no audio, or it is not there."""
    file = Path(song.audio)
    return file if file.suffix[1:].lower() in READABLE and file.is_file() else None


def audio_address(song: IndexedSong) -> str:
    """Where the server has the audio of a song; '' if there is none."""
    return f"audio/{quote(song.song_id, safe='')}" if audio_file(song) else ""


def names_audio(index: SongIndex) -> bool:
    """Whether one of the first songs of an index has audio."""
    return any(audio_address(song) for song in islice(index.songs(), 100))


def make_app(page: Page, hosts: Sequence[str]) -> Starlette:
    """Make the server of a page, which may be called by the names `hosts`.

    Others are refused, so that a foreign web site cannot read from it by a name of its own that
    leads here.
    """

    def explain(_request: Request, error: Exception) -> Response:
        refused = {"refused": error.told} if isinstance(error, Refused) else {}
        return JSONResponse({"error": str(error)} | refused, 400)

    files = StaticFiles(directory=WEB, html=True)
    routes: list[BaseRoute] = [
        Route(f"/{one.__name__}", one) for one in (page.about, page.search, page.map)
    ]
    routes += [
        Route("/playlist.m3u8", page.playlist),
        Route("/audio/{song_id:path}", page.audio),
        Mount("/", files),
    ]
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return Starlette(routes=routes, middleware=[trusted], exception_handlers={UserError: explain})


def serve_page(searcher: Searcher, host: str, port: int) -> None:
    """Serve the page of an index until the process is stopped; port 0 is any that is free.

    Raises
    ------
    UserError
        The port is taken, or the address is not this machine's.
    """
    if not host:
        raise UserError("--host is empty: give an address, 0.0.0.0 for all of this machine")
    with _listening(host, port) as listening:
        hosts = LOCAL_NAMES if host in ("127.0.0.1", "localhost", "::1") else ["*"]
        app = make_app(Page(searcher, song_map(searcher.index)), hosts)
        if not names_audio(searcher.index):
            print("the index names no audio file that is there: the page is without players")
        vectors = searcher.words.vectors_file
        if vectors is None or not vectors.is_file():
            lacking = f"{vectors} is missing" if vectors else "the index knows no word vectors"
            print(f"{lacking}: the page searches for tags alone, unless --vectors FILE is given")
        searcher.search(searcher.wanted(searcher.index.model.tags[0]))  # reads the embeddings
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{port}/ is the page; Ctrl-C ends it", flush=True)
        # A player that has stopped reading does not hold up Ctrl-C for longer than a second.
        # The app has nothing to begin or end with: a second Ctrl-C would end that in a traceback.
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off"
        )
        with threadpool_limits(1):  # products by several threads would wait for other programs
            uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """Listen on a port of an address of either kind, IPv4 where a name has both."""
    try:
        known = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        family, *_, place = min(known, key=lambda one: one[0] != socket.AF_INET)
        address, _, *of_ipv6 = place
        return socket.create_server((address, port, *of_ipv6), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        if isinstance(error, OverflowError):
            why = "ports end at 65535"
        if isinstance(error, OSError) and not isinstance(error, socket.gaierror):
            why = os.strerror(error.errno or 0)  # create_server's own names the address once more
        raise UserError(
            f"port {port} of {host} cannot be listened on ({why}): give another --port or --host"
        ) from None
