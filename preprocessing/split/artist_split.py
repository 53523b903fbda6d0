"""Cut groups of songs (artists) into train, valid and test with enough songs of every tag in each.

Random splits come first: with many songs a tag the first one does. Where none is good enough, a
search starts from stratified splits (Sechidis, Tsoumakas, Vlahavas: On the Stratification of
Multi-Label Data, ECML 2011, on groups instead of single examples) and moves single groups, guided
by tabu (Glover 1989). The moves are what finds the split of the demo, `40 4`: without them 60
stratified splits reach a minimum of 0 or 1 (seeds 0 to 2). Where 100 tags of the Million Song
Dataset or 50 of MTG-Jamendo are asked for, they reach about twice the minimum of the stratified
splits alone (63 to 31, 350 to 180); Last.fm and FSDKaggle2018 need none. Every loop is bounded. All
arithmetic is on integers and the only source of chance is the raw stream of PCG64, which numpy
keeps the same for ever: the same seed gives the same split on every machine.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from dataset.files import SPLITS, some
from errors import UserError
from progress import progress

PERCENT = np.array([70, 15, 15])  # of the songs, in the order of SPLITS
TOLERANCE = 2  # percent of the songs by which the search may miss PERCENT
RANDOM_SPLITS = 500
STARTS = 8
MOVES = 400  # from each start
TABU = 10  # moves during which a moved group stays where it is


@dataclass(frozen=True)
class Groups:
    """Songs of each group.

    Attributes
    ----------
    group, tag, count : ndarray of int64, shape (E,)
        Group `group[e]` has `count[e]` > 0 songs with the tag `tag[e]`; ordered by group.
    n_songs : ndarray of int64, shape (G,)
        Songs of each group.
    n_tags : int
        Number of tags T.
    """

    group: np.ndarray
    tag: np.ndarray
    count: np.ndarray
    n_songs: np.ndarray
    n_tags: int

    @staticmethod
    def of(song_tags: sp.csr_array, group_of_song: np.ndarray) -> "Groups":
        """Count the songs x tags matrix by group."""
        n_songs = np.bincount(group_of_song)
        entries = song_tags.tocoo()
        n_tags = song_tags.shape[1]
        cells, count = np.unique(
            group_of_song[entries.row] * n_tags + entries.col, return_counts=True
        )
        return Groups(cells // n_tags, cells % n_tags, count, n_songs, n_tags)

    def tag_counts(self, part: np.ndarray) -> np.ndarray:
        """Songs of each tag in each part; (3, T) int64."""
        cells = np.repeat(part[self.group] * self.n_tags + self.tag, self.count)
        return np.bincount(cells, minlength=3 * self.n_tags).reshape(3, self.n_tags)

    def song_counts(self, part: np.ndarray) -> np.ndarray:
        """Songs in each part; (3,) int64."""
        return np.array([self.n_songs[part == number].sum() for number in range(3)])


def split_groups(
    song_tags: sp.csr_array, group_of_song: np.ndarray, tags: list[str], minimum: int, seed: int
) -> np.ndarray:
    """Split songs 70 / 15 / 15, a group as a whole, with `minimum` songs of each tag in each part.

    Parameters
    ----------
    song_tags : csr_array, shape (N, T)
        1 where a song bears a tag.
    group_of_song : ndarray of int64, shape (N,)
        Numbers 0 to G - 1, each of them used.
    tags : list of str
        Names of the T tags, for messages.
    minimum : int
        Least number of songs of each tag in each part, 1 or more.
    seed : int
        Same seed, same split.

    Returns
    -------
    ndarray of int64, shape (N,)
        0, 1, 2 for train, valid, test.

    Raises
    ------
    UserError
        No such split can exist, or none was found: names the tags that fell short and the best
        minimum that was found.
    """
    groups = Groups.of(song_tags, group_of_song)
    _check_possible(groups, tags, minimum)
    chance = np.random.PCG64(seed)
    best = Best(minimum)
    for _ in progress(range(RANDOM_SPLITS), "random splits", leave=False):
        part = random_split(groups.n_songs, chance)
        if best.offer(part, groups.tag_counts(part)):
            print("split: by chance")
            return part[group_of_song]
    for start in progress(range(STARTS), "stratified splits", leave=False):
        order = _shuffled(len(groups.n_songs), chance)
        if start == 0:  # large groups first leaves the small ones to even out the counts
            order = order[np.argsort(-groups.n_songs[order], kind="stable")]
        if improve(groups, stratified_split(groups, order, minimum), best, chance):
            print("split: by stratified search")
            return best.part[group_of_song]
    raise UserError(_too_short(best, tags, minimum))


# ---------------------------------------------------------------- what cannot be


def _check_possible(groups: Groups, tags: list[str], minimum: int) -> None:
    """Raise `UserError` for tags with fewer than 3 groups, or than 3 * minimum songs."""
    n_groups = np.bincount(groups.tag, minlength=groups.n_tags)
    n_songs = np.zeros(groups.n_tags, dtype=np.int64)
    np.add.at(n_songs, groups.tag, groups.count)
    few_songs = [f"{tags[t]} ({n_songs[t]})" for t in np.flatnonzero(n_songs < 3 * minimum)]
    if few_songs:
        raise UserError(
            f"{minimum} songs of each tag in each of three splits need tags with {3 * minimum} "
            f"songs, but {len(few_songs)} of {len(tags)} tags have fewer ({some(few_songs)}): "
            + _advice(n_songs.min() // 3)
        )
    few_groups = [f"{tags[t]} ({n_groups[t]})" for t in np.flatnonzero(n_groups < 3)]
    if few_groups:
        raise UserError(
            f"a tag in all three splits needs three artists, but {len(few_groups)} of "
            f"{len(tags)} tags have fewer ({some(few_groups)}): {_advice(0)}"
        )


def _too_short(best: "Best", tags: list[str], minimum: int) -> str:
    least, worst = best.counts.min(axis=0), best.counts.argmin(axis=0)
    short = sorted(np.flatnonzero(least < minimum), key=lambda t: (least[t], tags[t]))
    named = [f"{tags[t]} ({least[t]} in {SPLITS[worst[t]]})" for t in short]
    return (
        f"no split with at least {minimum} songs of each tag in each part was found: {len(short)} "
        f"of {len(tags)} tags fell short ({some(named, 10)}) and the best minimum found is "
        f"{best.minimum}: {_advice(best.minimum)}"
    )


def _advice(possible: int) -> str:
    return f"lower MINIMUM to {possible} or lower TOP_N_TAGS" if possible else "lower TOP_N_TAGS"


class Best:
    """The best split seen so far: the one that lacks the fewest songs.

    Attributes
    ----------
    part : ndarray of int64, shape (G,)
        Part of each group.
    counts : ndarray of int64, shape (3, T)
        Songs of each tag in each part.
    minimum : int
        Largest minimum that any split seen reaches, not only this one.
    """

    def __init__(self, asked: int):
        self.asked = asked
        self.minimum = -1
        self.lack = np.iinfo(np.int64).max
        self.part: np.ndarray = np.empty(0, dtype=np.int64)
        self.counts: np.ndarray = np.empty((3, 0), dtype=np.int64)

    def offer(self, part: np.ndarray, counts: np.ndarray) -> bool:
        """Take note of a split; return whether it reaches the minimum that is asked for."""
        self.minimum = max(self.minimum, int(counts.min()))
        lack = int(np.maximum(self.asked - counts, 0).sum())
        if lack < self.lack:
            self.lack, self.part, self.counts = lack, part.copy(), counts.copy()
        return lack == 0


# ---------------------------------------------------------------- random splits


def _shuffled(n: int, chance: np.random.PCG64) -> np.ndarray:
    """A permutation of 0 to n - 1."""
    return np.argsort(chance.random_raw(n), kind="stable")


def random_split(n_songs: np.ndarray, chance: np.random.PCG64) -> np.ndarray:
    """Put groups in a random order and cut it at 70 and 85 percent of the songs.

    A group that lies across a cut goes where its middle is.
    """
    order = _shuffled(len(n_songs), chance)
    in_order = n_songs[order]
    twice_middle = 2 * np.cumsum(in_order) - in_order
    cuts = 2 * in_order.sum() * np.cumsum(PERCENT)[:2]
    part = np.empty(len(n_songs), dtype=np.int64)
    part[order] = np.searchsorted(cuts, 100 * twice_middle, side="right")
    return part


# ---------------------------------------------------------------- stratified search


def stratified_split(groups: Groups, order: np.ndarray, minimum: int) -> np.ndarray:
    """Deal out groups, those of the tag with the fewest remaining songs first.

    Each goes to the part that still wants most songs of that tag; of equal ones, to the part that
    wants most songs of all.

    Parameters
    ----------
    groups : Groups
        G groups with T tags.
    order : ndarray of int64, shape (G,)
        Order in which the groups of a tag are dealt out.
    minimum : int
        Small tags are wanted at least so often in each part.

    Returns
    -------
    ndarray of int64, shape (G,)
        Part of each group.
    """
    matrix = sp.csr_array(
        (groups.count, (groups.group, groups.tag)), shape=(len(order), groups.n_tags)
    )
    groups_of_tag = matrix[order].tocsc()  # rows in dealing order
    remaining = matrix.sum(axis=0)
    wanted, wanted_songs = _wanted(remaining, minimum), PERCENT * groups.n_songs.sum()
    part = np.full(len(order), -1, dtype=np.int64)
    open_tags = set(range(groups.n_tags))
    while open_tags:
        rarest = min(open_tags, key=lambda tag: (remaining[tag], tag))
        open_tags.remove(rarest)
        rows = groups_of_tag.indices[slice(*groups_of_tag.indptr[rarest : rarest + 2])]
        for group in order[np.sort(rows)]:
            if part[group] >= 0:
                continue
            to = max(range(3), key=lambda p: (wanted[p, rarest], wanted_songs[p], -p))
            entries = slice(*matrix.indptr[group : group + 2])
            part[group] = to
            wanted[to, matrix.indices[entries]] -= 100 * matrix.data[entries]
            wanted_songs[to] -= 100 * groups.n_songs[group]
            remaining[matrix.indices[entries]] -= matrix.data[entries]
    return part


def _wanted(songs_of_tag: np.ndarray, minimum: int) -> np.ndarray:
    """Hundredths of songs of each tag that each part is to have; (3, T) int64."""
    small = np.maximum(PERCENT[1] * songs_of_tag, 100 * minimum)  # valid and test
    return np.stack([100 * songs_of_tag - 2 * small, small, small])


def improve(groups: Groups, part: np.ndarray, best: Best, chance: np.random.PCG64) -> bool:
    """Move single groups until every tag has enough songs in every part; tell whether it has.

    The cost of a split is the number of songs that tags lack, plus the number of songs by which
    the parts miss their size by more than the tolerance. The move to the lowest cost is made even
    if that is higher than now, and a moved group then stays for a while, so that the search leaves
    dead ends and finds exchanges, which are two moves.
    """
    part = part.copy()
    n_groups = len(part)
    free_again = np.zeros(n_groups, dtype=np.int64)
    for move in range(MOVES):
        counts, songs = groups.tag_counts(part), groups.song_counts(part)
        if _excess(songs, groups.n_songs) == 0 and best.offer(part, counts):
            return True
        cost = _cost_of_moves(groups, part, counts, songs, best.asked)
        cost[:, free_again > move] = np.iinfo(np.int64).max
        cost[part, np.arange(n_groups)] = np.iinfo(np.int64).max  # staying is no move
        candidates = np.argwhere(cost == cost.min())
        to, group = candidates[int(chance.random_raw() % len(candidates))]
        part[group] = to
        free_again[group] = move + TABU
    return False


def _excess(songs: np.ndarray, n_songs: np.ndarray) -> np.ndarray:
    """Songs by which parts miss 70 / 15 / 15 beyond the tolerance, summed over the parts.

    `songs` has the parts on its first axis. A part may be off by the largest group in any case.
    """
    total = n_songs.sum()
    off = np.abs(songs - (total * PERCENT // 100).reshape(-1, *[1] * (songs.ndim - 1)))
    return np.maximum(off - max(total * TOLERANCE // 100, n_songs.max()), 0).sum(axis=0)


def _cost_of_moves(
    groups: Groups, part: np.ndarray, counts: np.ndarray, songs: np.ndarray, minimum: int
) -> np.ndarray:
    """Cost after moving each group to each part, up to a constant; (3, G) int64."""
    n_groups = len(part)
    leaves = part[groups.group]
    lack = np.maximum(minimum - counts, 0)

    def change(parts: np.ndarray | int, count: np.ndarray) -> np.ndarray:
        """How the lack of songs changes, by group, when `count` songs of its tags come."""
        now = counts[parts, groups.tag]
        per_entry = np.maximum(minimum - now - count, 0) - lack[parts, groups.tag]
        sums = np.cumsum(np.concatenate(([0], per_entry)))
        return sums[ends] - sums[starts]

    starts = np.searchsorted(groups.group, np.arange(n_groups))
    ends = np.append(starts[1:], len(groups.group))
    leaving = change(leaves, -groups.count)
    cost = np.empty((3, n_groups), dtype=np.int64)
    for to in range(3):
        after = np.repeat(songs[:, None], n_groups, axis=1)
        after[part, np.arange(n_groups)] -= groups.n_songs
        after[to] += groups.n_songs
        cost[to] = leaving + change(to, groups.count) + _excess(after, groups.n_songs)
    return cost
