"""What `retrieve.py index` does with songs that were embedded: writes or adds them, and tells."""

from pathlib import Path

from dataset.files import counted
from retrieval.embedded_songs import EmbeddedSongs
from retrieval.folder_report import write_report
from retrieval.index_writing import add_songs, write_index
from retrieval.nearest import SAID
from retrieval.song_index import SongIndex, TagModel, read_index


def put_into_index(
    into: Path, model: TagModel, songs: EmbeddedSongs, by: str, is_added: bool
) -> None:
    """Write songs as an index, or add them to the one that is there, and tell what was done."""
    of_folder = songs.of_folder
    if is_added and not (songs.songs or of_folder.moved):
        write_report(into, of_folder, is_anew=False)
        return
    if is_added:
        n_new = add_songs(into, model, songs, by)
        of_folder.tell_changes()
        if n_new or not (of_folder.moved or of_folder.again):
            print(f"{counted(n_new, 'song')} added")
    else:
        write_index(into, model, songs, by)
    write_report(into, of_folder, is_anew=not is_added)
    made = read_index(into)
    print(f"{counted(len(made), 'song')}, to be searched for {len(model.tags)} tags")
    words = model.vectors_file or "no word vectors found: give them to search with --vectors"
    print(f"and for other words ({words})")
    print_kinds(made)
    print(f"written to {into}")


def print_kinds(made: SongIndex) -> None:
    """Tell how the neighbours are looked for in an index."""
    print("; ".join(SAID[kind] for kind in sorted({part.about["kind"] for part in made.parts})))
