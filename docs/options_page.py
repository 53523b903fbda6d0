"""Write docs/options.md from the options themselves:  python docs/options_page.py"""

import sys
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from option_values import SWITCHES
from options import AUDIO_OPTIONS, CARRIED_OPTIONS, MODEL_OPTIONS, Options, shown_default


def listed(names) -> str:
    """Names of options as Markdown."""
    return ", ".join(f"`--{name}`" for name in sorted(names))


def options_table() -> str:
    """Markdown table of all options."""
    rows = ["| option | default | values | |", "| --- | --- | --- | --- |"]
    for one in fields(Options):
        values = one.metadata["choices"] or SWITCHES.get(one.metadata["parse"], ())
        shown = ", ".join(f"`{value}`" for value in values)
        rows.append(f"| `--{one.name}` | {shown_default(one)} | {shown} | {one.metadata['text']} |")
    return "\n".join(rows) + "\n"


def options_page() -> str:
    """All of docs/options.md."""
    return f"""# Options of main.py

Written by `python docs/options_page.py`; a test holds it against the program.

{options_table()}
Booleans take True, False, or the bare option. An option that has no effect is told: for example
{listed(AUDIO_OPTIONS)} with `--input_type cf`.

`@FILE` stands for the options in a file, one or more a line, with `#` before comments; what comes
behind it overrides it. `recipes/` holds sets of options that belong together:

```
python main.py @recipes/paper.args --data_path DATA_PATH
```

A checkpoint fixes {listed(MODEL_OPTIONS)}: TEST and `--resume` take them from it, and an option
that contradicts it is an error, as is a split or a set of vectors other than the model was trained
on. {listed(CARRIED_OPTIONS)} are taken from it too, unless they are given anew.
"""


if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options_page(), encoding="utf-8")
