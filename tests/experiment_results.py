"""Results as a test of a model leaves them, small, for the tests of experiments/."""

from metrics import METRICS


def results(genre: float, place: float, seed: int = 0) -> dict:
    """Results with two categories of three and two tags, each tag at its category's MAP."""
    all_of = dict.fromkeys(METRICS, 0.5)
    one = all_of | {"roc_auc": 0.75, "chance_map": 0.1}
    one["map"] = (3 * genre + 2 * place) / 5
    categories = {
        "genre": all_of | {"map": genre, "chance_map": 0.125, "n_tags": 3},
        "location": all_of | {"map": place, "chance_map": 0.0625, "n_tags": 2},
    }
    maps = {"rock": genre, "jazz": genre, "folk": genre, "Brazil": place, "Mali": place}
    tags = {tag: all_of | {"map": value, "n_positive": 2} for tag, value in maps.items()}
    tags["nobody"] = dict.fromkeys(METRICS) | {"n_positive": 0}
    made_by = {"options": {"seed": seed}, "seed": seed}
    more = {"split": "test", "n_songs": 9, "n_tags": 5, "categories": categories, "tags": tags}
    return one | more | {"made_by": made_by}
