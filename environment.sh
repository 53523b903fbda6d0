# Sourced by run.sh, eval.sh and tests/run.sh: makes .venv and installs what is missing.
# usage: . environment.sh REQUIREMENTS

set -eu
requirements=$1
if [ ! -x .venv/bin/pip ]; then
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
        then
            python=$candidate
            break
        fi
    done
    if [ -z "${python:-}" ]; then
        echo "error: no Python 3.11 to 3.13 found: install one" >&2
        exit 2
    fi
    echo "making .venv with $python"
    "$python" -m venv .venv
fi
# A stamp keeps the requirements that are installed, so that a second start is immediate.
stamp=.venv/$(echo "$requirements" | tr / -)
if ! cat requirements.txt "$requirements" | cmp -s - "$stamp"; then
    echo "installing $requirements into .venv (several GB with PyTorch)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cat requirements.txt "$requirements" >"$stamp"
    cat requirements.txt requirements.txt >.venv/requirements.txt
fi
