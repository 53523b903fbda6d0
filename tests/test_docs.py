"""The documentation: links that lead somewhere, commands that exist, facts that agree."""

import ast
import contextlib
import functools
import importlib
import inspect
import io
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # pytorch-lightning needs it

import step0_dataset
import step4_mel_spectrogram
from command_line import fire_commands
from commands import ROOT
from dataset.mel_store import SETTINGS
from errors import UserError
from losses import LABEL_LOSSES
from metrics import METRICS
from options import Options, parse_options
from sampler import NEGATIVE_WEIGHTINGS
from test_architecture import FLOORS

PAGES = sorted((ROOT / "docs").glob("*.md"))
PAGES += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")]

FENCE = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def of_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


def each_page(test):
    return pytest.mark.parametrize("page", PAGES, ids=of_page)(test)


# ---------------------------------------------------------------- links


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, by GitHub's rule: lower case, no signs, '-' for blanks."""
    found: dict[str, int] = {}
    for line in FENCE.sub("", page.read_text(encoding="utf-8")).splitlines():
        if re.match(r"#{1,6} ", line):
            name = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
            found[name] = found.get(name, -1) + 1
    return {name + (f"-{n}" if n else "") for name, most in found.items() for n in range(most + 1)}


def links(page: Path) -> list[str]:
    """Targets of the links and pictures of a page, those to the web left out."""
    text = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    return [target for target in LINK.findall(text) if "://" not in target]


@each_page
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    for link in ("none.md", "#none", "page.md#none"):
        page.write_text(f"# Page\n[page](page.md#page), [here]({link})\n")
        with pytest.raises(AssertionError, match=link):
            test_links_lead_somewhere(page)


def test_readme_is_short_and_leads_to_every_page():
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 200
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(readme)}
    assert not {page for page in PAGES if page.parent.name == "docs"} - linked


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# The paper's `own` A/B: 1.5\n```\n# no heading\n```\n## Twice\n## Twice\n")
    assert anchors(page) == {"the-papers-own-ab-15", "twice", "twice-1"}


# ---------------------------------------------------------------- commands


def commands(page: Path) -> Iterator[list[str]]:
    """Command lines of Python in the code of a page, in words."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ").splitlines()
    inline = (code.strip("`") for code in CODE.findall(FENCE.sub("", text)))
    for line in (*blocks, *inline):
        if re.match(r"(\S*/)?python ", line):
            words = shlex.split(line, comments=True)
            yield [word for word in words[1:] if word != "-u"]


def with_recipes(arguments: list[str]) -> list[str]:
    """Put in place of each @FILE the options that stand there."""
    words = []
    for argument in arguments:
        if argument.startswith("@"):
            recipe = (ROOT / argument[1:]).read_text(encoding="utf-8")
            words += shlex.split(recipe, comments=True)
        else:
            words.append(argument)
    return words


def options_in(arguments: list[str]) -> set[str]:
    return {word[2:].partition("=")[0] for word in arguments if word.startswith("--")} - {"help"}


@functools.cache
def options_of_main() -> set[str]:
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit):
        parse_options(["--help"])
    return set(re.findall(r"--(\w+)", said.getvalue()))


def check_fire(module: str, command: str, *arguments: str) -> None:
    """Check a command of a step or of retrieve.py: its name, number of arguments, options."""
    functions = vars(importlib.import_module(module))
    signature = inspect.signature(functions.get("COMMANDS", functions)[command])
    assert options_in(arguments) <= set(signature.parameters)
    is_option = [word.startswith("--") for word in (*arguments, "--")]
    signature.bind(*arguments[: is_option.index(True)])  # options come last


def check_script(file: Path, arguments: list[str]) -> None:
    """Check a script that is there: its options are named in its source, or are main.py's."""
    names = {
        node.value.removeprefix("--")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert options_in(with_recipes(arguments)) <= names | options_of_main() | {"seeds"}


@each_page
def test_commands_exist(page):
    for script, *arguments in commands(page):
        if [script, *arguments[:1]] == ["-m", "pip"]:
            continue
        said = f"{page}: {script} {' '.join(arguments)}"
        try:
            if script == "-m":
                path = ROOT / arguments[0].replace(".", "/")
                check_script(
                    path / "__main__.py" if path.is_dir() else path.with_suffix(".py"), arguments
                )
            elif script == "main.py" and "--help" not in arguments:
                parse_options(with_recipes(arguments))
            elif re.match("step|retrieve", script):
                check_fire(script.removesuffix(".py"), *arguments)
            else:
                check_script(ROOT / script, arguments)
        except (AssertionError, OSError, KeyError, TypeError, UserError) as error:
            pytest.fail(f"{said}: {error!r}")


@pytest.mark.parametrize(
    "line",
    [
        "python main.py --lrr 1",
        "python main.py --precision 17",
        "python main.py @recipes/none.args",
        "python step9.py",
        "python step1_data_split.py go DATA_PATH",
        "python step1_data_split.py run DATA_PATH 100",
        "python -u step3_taste_profile.py run DATA_PATH --is_subsets",
        "python -m experiments.none DATA_PATH RESULT_DIR",
        "python -m experiments.sampling DATA_PATH RESULT_DIR --epochs 3",
    ],
)
def test_a_wrong_command_is_found(line, tmp_path):
    page = tmp_path / "page.md"
    for text in (f"```\n{line}\n```\n", f"Do `{line}` now.\n"):
        page.write_text(text)
        with pytest.raises(pytest.fail.Exception):
            test_commands_exist(page)


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").iterdir()), ids=of_page)
def test_recipes_are_options_and_are_told(recipe):
    assert parse_options(with_recipes([f"@{of_page(recipe)}"]))
    assert of_page(recipe) in (ROOT / "docs/training.md").read_text(encoding="utf-8")


STEPS = [*sorted(ROOT.glob("step*.py")), ROOT / "retrieve.py"]


@pytest.mark.parametrize("script", STEPS, ids=of_page)
def test_help_shows_all_that_is_said_of_each_argument(script, capsys):
    """Fire reads the docstrings by rules of its own, and leaves out what it does not understand."""
    functions = vars(importlib.import_module(script.stem))
    commands = functions.get("COMMANDS") or {
        name: one
        for name, one in functions.items()
        if inspect.isfunction(one) and one.__module__ == script.stem and name[0] != "_"
    }
    for name, function in commands.items():
        with pytest.raises(SystemExit):
            fire_commands(commands, [name, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        told = inspect.getdoc(function).partition("\nParameters\n----------\n")[2]
        texts = re.findall(r"^(\w+) : .*\n((?: +.*\n?)+)", told, re.MULTILINE)
        assert [argument for argument, _ in texts] == [*inspect.signature(function).parameters]
        for argument, text in texts:
            assert " ".join(text.split()) in shown, f"{name}: {argument}"


# ---------------------------------------------------------------- facts that stand twice


def test_pages_name_all_that_can_be_chosen():
    training, data = (
        (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("training", "data")
    )
    for name in (*LABEL_LOSSES, *METRICS):
        assert f"`{name}`" in training, f"training.md lacks {name}"
    for name in METRICS.values():
        assert name in training, f"training.md lacks {name}"
    for name in {*NEGATIVE_WEIGHTINGS} - {"uniform", Options.negative_weighting}:
        assert f"--negative_weighting {name}" in training, f"training.md lacks {name}"
    for name in step0_dataset.COMMANDS:
        assert f"| command | `step0_dataset.py {name}`" in data, f"data.md has no card of {name}"
        assert f"python -u step0_dataset.py {name} " in data, f"data.md lacks {name}"
    for form in SETTINGS:
        assert f"{form}:" in step4_mel_spectrogram.run.__doc__, f"step 4 --help lacks --mel {form}"


def requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    return [line for line in lines if line and not line.startswith("-r ")]


def test_pyproject_requires_what_the_requirement_files_do():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == requirements("requirements.txt")
    assert project["optional-dependencies"]["test"] == requirements("tests/requirements.txt")


def test_the_design_page_has_the_floors():
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.*) \|$", page, re.MULTILINE)
    told = [(int(number), set(re.findall(r"\w+", rooms))) for number, rooms in rows]
    assert told[::-1] == list(enumerate(FLOORS, start=1))


def test_the_version_is_one_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\d\S*) – (\S+)$", changes, re.MULTILINE).groups()
    assert project["version"] == version == citation["version"]
    assert str(citation["date-released"]) == date
    assert citation["cff-version"] == "1.2.0" and citation["license"] == project["license"]


def test_citation_and_readme_name_the_same_authors():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [f"{one['family-names']}, {one['given-names']}" for one in paper["authors"]]
    assert f"{{{' and '.join(names)}}}" in readme
    assert paper["title"] in readme and str(paper["year"]) in readme
