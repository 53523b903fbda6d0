"""Reader of Emotify: 400 minutes of music, and what emotions listeners said it induces.

Aljanaki, Wiering, Veltkamp: Studying emotion induced by music through a crowdsourcing game
(Information Processing and Management, 2015). The songs are from Magnatune, a hundred of each of
four genres, and their files name the artist.
"""

from pathlib import Path

import pandas as pd
import soundfile

from dataset.files import Song, plain, some
from errors import UserError
from preprocessing.mel.sndfile import muted
from preprocessing.raw_sets.raw_set import RawSet
from preprocessing.raw_sets.tables import SPREADSHEET, read_table

HOME = "Emotify, https://github.com/sergi-andreu/ProjectMusicInformatics"
GET_AGAIN = f"get it from {HOME}, folder data"

A_GENRE = 100  # songs
GENRES = ("classical", "rock", "electronic", "pop")  # in the order of the track ids, from 1
TRACKS = [str(track) for track in range(1, 1 + A_GENRE * len(GENRES))]
MOODS = (
    *("amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power"),
    *("joyful_activation", "tension", "sadness"),
)
LEAST_SHARE = 0.25  # of the annotators of a song who must have chosen a mood


def read_emotify(raw: Path) -> RawSet:
    """Read data.csv and the songs' own tags below the folder `raw`.

    A song has as tags its genre and each mood that at least a quarter of its annotators chose. The
    song id is the track id. The share of the annotators is how strongly it has a mood.

    Raises
    ------
    UserError
        The table is missing or damaged, or songs are missing or cannot be opened.
    """
    folder = raw if (raw / "data.csv").is_file() else raw / "data"
    shares = _shares(folder / "data.csv")
    audio = folder / "emotifymusic"
    missing = [track for track in shares.index if not (audio / _file(track)).is_file()]
    if missing:
        files = [_file(track) for track in missing]
        raise UserError(f"{audio} lacks {len(files)} songs ({some(files, 3)}): {GET_AGAIN}")
    return RawSet(
        name="emotify",
        annotations=_annotations(shares),
        songs=[_song(track, audio) for track in shares.index],
        audio=audio,
        facts={"least_share": LEAST_SHARE},
        strengths=_strengths(shares),
    )


def _shares(path: Path) -> pd.DataFrame:
    """Share of the annotators of each song who chose each mood: float, track ids x moods."""
    table = read_table(path, ("track id", *MOODS), GET_AGAIN, SPREADSHEET)
    allowed = {"track id": TRACKS} | dict.fromkeys(MOODS, ("0", "1"))
    for column, values in allowed.items():
        wrong = table[column][~table[column].isin(values)]
        if len(wrong):
            raise UserError(
                f"{path} has {wrong.iloc[0]!r} as {column} in line {wrong.index[0]}: {GET_AGAIN}"
            )
    return table[["track id", *MOODS]].astype(int).groupby("track id").mean()


def _annotations(shares: pd.DataFrame) -> pd.DataFrame:
    """Rows of song, tag, category, score."""
    rows = [(str(track), _genre(track), "genre", 100.0) for track in shares.index]
    for mood in MOODS:
        tracks = shares.index[shares[mood] >= LEAST_SHARE]
        rows += [(str(track), _tag(mood), "mood/character", 100.0) for track in tracks]
    return pd.DataFrame(rows, columns=["song", "tag", "category", "score"])


def _strengths(shares: pd.DataFrame) -> pd.DataFrame:
    """Rows of song, cleaned, strength: of the moods that at least one annotator chose."""
    found = shares.rename(index=str, columns=_tag).stack()
    found = found[found > 0].rename_axis(["song", "cleaned"])
    return found.rename("strength").reset_index()


def _tag(mood: str) -> str:
    return mood.replace("_", " ")


def _genre(track: int) -> str:
    return GENRES[(track - 1) // A_GENRE]


def _file(track: int) -> str:
    """Path of a song: the files of each genre are numbered from 1."""
    return f"{_genre(track)}/{(track - 1) % A_GENRE + 1}.mp3"


def _song(track: int, audio: Path) -> Song:
    """A song with artist and title as its file names them."""
    try:
        with muted(), soundfile.SoundFile(audio / _file(track)) as sound:
            says = sound.copy_metadata()
    except soundfile.SoundFileError:
        raise UserError(f"{audio / _file(track)} cannot be opened: {GET_AGAIN}") from None
    artist, title = plain(says.get("artist", "")), plain(says.get("title", ""))
    return Song(str(track), artist, title, _file(track))
