#!/usr/bin/env bash
# Installs what building and testing need: Debian packages from packages.txt (only those that are missing) and a virtual
# environment with requirements.txt. Running it again costs nothing.
#
#   tests/lib/install.sh               installs everything
#   tests/lib/install.sh --packages    only the Debian packages
#   tests/lib/install.sh --venv        only the virtual environment; prints its path
#
# Without root it does not install packages: it says which are missing and fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=$(dirname "$here")
cache=${DEPLOY_INFERENCE_SERVICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/deploy-inference-service}

say() { printf 'install: %s\n' "$*" >&2; }

# Names in packages.txt that dpkg does not know as installed.
missing_packages() {
    local name
    while read -r name; do
        if ! dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed; then
            printf '%s\n' "$name"
        fi
    done < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$here/packages.txt")
}

install_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "this is not Debian: install the equivalents of $here/packages.txt yourself"
        return 0
    fi
    mapfile -t missing < <(missing_packages)
    if ((${#missing[@]} == 0)); then
        return 0
    fi
    if ((EUID != 0)); then
        say "these packages are missing: ${missing[*]}"
        say "install them as root: apt-get install --no-install-recommends ${missing[*]}"
        return 1
    fi
    say "installing ${#missing[@]} packages: ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { apt-get update && policy_free_install "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        say "apt-get failed"
        return 1
    fi
    rm -f "$log"
}

# Packages that bring a service (containerd, for one) must not start it: the tests start their own, on private paths.
policy_free_install() {
    local policy=/usr/sbin/policy-rc.d made=0 status=0
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" || status=$?
    if ((made)); then
        rm -f "$policy"
    fi
    return "$status"
}

# A Python that is new enough: tomllib came with 3.11.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    say "Python 3.11 or newer with its venv module is needed"
    return 1
}

# The environment's name holds a hash of what is in it, so a changed requirement makes a new one.
install_venv() {
    local python key venv
    python=$(find_python)
    key=$({ "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$tests/requirements.txt"; } | sha256sum | cut -c1-16)
    venv=$cache/venv-$key
    mkdir -p "$cache"
    exec 9>"$cache/venv.lock"
    flock 9
    if [[ ! -e $venv/complete ]]; then
        say "making the virtual environment $venv"
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$tests/requirements.txt" >&2
        touch "$venv/complete"
    fi
    exec 9>&-
    printf '%s\n' "$venv"
}

case ${1-} in
'') install_packages && install_venv ;;
--packages) install_packages ;;
--venv) install_venv ;;
*)
    say "unknown option $1"
    exit 2
    ;;
esac
