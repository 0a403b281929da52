# Sourced by ./run, ./test and ./check: `causeway_setup runtime` or `causeway_setup dev` makes .venv ready.
#
# Everything comes from the hashed exports of uv.lock, by uv or by pip, so that both install the same files from
# whichever package index the machine is configured for. Nothing is ever installed into the system's Python.
# Progress goes to stderr, and only to a terminal.

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv

causeway_setup() {
    local group=$1 requirements=$root/requirements.lock
    if [[ $group == dev ]]; then
        requirements=$root/requirements-dev.lock
    fi
    if ! ready "$group"; then
        # A subshell, so that the lock is gone before the caller turns into a server.
        (
            lock
            if ! ready "$group"; then
                install "$group"
            fi
        ) 9>"$root/.venv.lock"
    fi
}

say() {
    if [[ -t 2 ]]; then
        printf 'causeway: %s\n' "$1" >&2
    fi
}

fail() {
    printf 'causeway: %s\n' "$1" >&2
    exit 3
}

# The stamp is checked on every start, so it costs two small processes and starts no Python.
ready() {
    [[ -x $venv/bin/python && -f $venv/.stamp-$1 ]] || return 1
    [[ $(<"$venv/.stamp-$1") == "$(stamp)" ]] || return 1
    [[ -z ${CAUSEWAY_PYTHON:-} ]] || is_made_with "$(resolve "$CAUSEWAY_PYTHON" sys)"
}

stamp() {
    printf '%s\n' "$root"
    cksum <"$requirements"
    cksum <"$root/pyproject.toml"
}

# An environment holds absolute paths, so a moved checkout needs a new one. Any other change is installed over the old
# one, whose files a running server may be using.
is_made_with() {
    [[ -x $venv/bin/python && -f $venv/.stamp-python && $(<"$venv/.stamp-python") == "$root $1" ]]
}

made_with() {
    printf '%s\n' "$root $1" >"$venv/.stamp-python"
}

# Two first starts at once: the second waits, then finds the work done.
lock() {
    if command -v flock >/dev/null; then
        flock 9
        return
    fi
    local holder=$root/.venv.lock.d owner
    until mkdir "$holder" 2>/dev/null; do
        owner=$(cat "$holder/pid" 2>/dev/null || true)
        if [[ -n $owner ]] && ! kill -0 "$owner" 2>/dev/null; then
            rm -rf "$holder"
        fi
        sleep 0.2
    done
    # shellcheck disable=SC2064 # the path is fixed now
    trap "rm -rf '$holder'" EXIT
    printf '%s\n' "${BASHPID:-$$}" >"$holder/pid"
}

# Prints the real path of the interpreter behind a command, if it is recent enough and has the module.
resolve() {
    "$1" -c "import os, sys, $2
sys.version_info >= (3, 11) or sys.exit(1)
print(os.path.realpath(getattr(sys, '_base_executable', sys.executable)))" 2>/dev/null
}

# Newest first. Without uv, a Python that can bootstrap pip is preferred to a newer one that cannot.
find_python() {
    local module candidate
    local -a candidates=(python3.14 python3.13 python3.12 python3.11 python3) modules=(ensurepip.__main__ venv)
    if [[ -n ${CAUSEWAY_PYTHON:-} ]]; then
        candidates=("$CAUSEWAY_PYTHON")
    fi
    if command -v uv >/dev/null; then
        modules=(sys)
    fi
    for module in "${modules[@]}"; do
        for candidate in "${candidates[@]}"; do
            if resolve "$candidate" "$module"; then
                return 0
            fi
        done
    done
    return 1
}

install() {
    local python
    local -a quiet=()
    if [[ ! -t 2 ]]; then
        quiet=(--quiet --quiet)
    fi
    rm -f "$venv"/.stamp-runtime "$venv"/.stamp-dev
    python=$(find_python) ||
        fail "Python 3.11 or newer with its venv module is needed; on Debian or Ubuntu: apt install python3-venv"
    say "preparing .venv with $python"
    if ! { command -v uv >/dev/null && install_with_uv; }; then
        install_with_pip || fail "the dependencies could not be installed; the lines above say why"
    fi
    # Bytecode of what serving imports, written now whatever the environment says: without it a start takes seconds more.
    env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c \
        'import app.cli.serve, app.main, app.services.compile_worker, uvicorn.protocols.http.httptools_impl' >&2 ||
        fail "the installed packages cannot be imported; the lines above say why"
    if [[ $group == dev ]]; then
        stamp >"$venv/.stamp-dev"
    fi
    requirements=$root/requirements.lock stamp >"$venv/.stamp-runtime"
    say "ready"
}

# Started from / because the cool-down in pyproject.toml is for making the lock: an index without upload times
# would otherwise offer nothing.
install_with_uv() {
    (
        cd / || exit
        unset VIRTUAL_ENV UV_SYSTEM_PYTHON
        is_made_with "$python" || uv venv --quiet --clear --python "$python" "$venv" || exit
        made_with "$python"
        uv pip install ${quiet[@]+"${quiet[@]}"} --python "$venv/bin/python" \
            --no-deps --require-hashes --requirement "$requirements" || exit
        uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable "$root"
    ) >&2
}

install_with_pip() {
    local -a pip=("$venv/bin/python" -m pip)
    local -a options=(${quiet[@]+"${quiet[@]}"} --disable-pip-version-check --no-input --no-deps)
    if resolve "$python" ensurepip.__main__ >/dev/null; then
        { is_made_with "$python" && "${pip[@]}" --version >/dev/null 2>&1; } ||
            "$python" -m venv --clear "$venv" || return
    else
        # Debian packages ensurepip on its own; the system's pip can install into an environment without one.
        python3 -m pip --version >/dev/null 2>&1 ||
            fail "pip is missing; on Debian or Ubuntu: apt install python3-venv"
        is_made_with "$python" || "$python" -m venv --clear --without-pip "$venv" || return
        pip=(python3 -m pip --python "$venv/bin/python")
    fi
    made_with "$python"
    {
        sed -n '/^pip==/,/[^\\]$/p' "$requirements" >"$venv/pip.lock"
        "${pip[@]}" install "${options[@]}" --require-hashes --requirement "$venv/pip.lock" || return
        # Bytecode is made when a module is first imported, and most never are.
        pip=("$venv/bin/python" -m pip)
        "${pip[@]}" install "${options[@]}" --no-compile --require-hashes --requirement "$requirements" || return
        "${pip[@]}" install "${options[@]}" --no-build-isolation --editable "$root"
    } >&2
}
