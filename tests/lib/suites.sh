# shellcheck shell=bash
# The suites of tests/run. Each reads its own counts, so that the last line adds up what really ran.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${DEPLOY_INFERENCE_SERVICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/deploy-inference-service}
passed=0
failed=0
skipped=0
failures=()
skips=()

say() { printf '== %s\n' "$*"; }

# count PASSED FAILED SKIPPED
count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

fail_suite() {
    count 0 1 0
    failures+=("$1")
    say "FAILED: $1"
}

skip_suite() {
    count 0 0 1
    skips+=("$1")
    say "SKIPPED: $1"
}

# ---- what every suite needs ----

prepare() {
    "$root/tests/lib/install.sh" --packages || return 1
    venv=$("$root/tests/lib/install.sh" --venv) || return 1
    work=$(mktemp -d)
    # It goes when nobody of this run is left to hold this pipe: after SIGKILL too.
    exec 8> >(exec setsid "$venv/bin/python" -I "$root/tests/harness/leftovers.py" >/dev/null 2>&1)
    echo "directory $work" >&8
    mkdir -p "$cache/build"
}

# build NAME MESON-OPTIONS...: configures once, compiles. Prints the build directory.
build() {
    local directory
    directory=$cache/build/$1-$(printf '%s' "$root" | sha256sum | cut -c1-8)
    shift
    if [[ ! -f $directory/build.ninja ]]; then
        meson setup "$directory" "$root" "$@" >&2 || return 1
    fi
    meson compile -C "$directory" >&2 || return 1
    printf '%s\n' "$directory"
}

# ---- counting ----

# meson writes one JSON object a test; a cmocka program is counted by the cases inside it.
count_meson() {
    local directory=$1
    "$venv/bin/python" "$root/tests/lib/count_meson.py" "$directory/meson-logs" >"$work/counts" || return 1
    # shellcheck disable=SC2046
    count $(<"$work/counts")
}

run_meson_tests() {
    local name=$1 directory=$2
    shift 2
    if ! meson test -C "$directory" --print-errorlogs --no-rebuild "$@" >"$work/$name.log" 2>&1; then
        tail -n 200 "$work/$name.log"
        failures+=("$name")
    fi
    count_meson "$directory" || fail_suite "$name: counting"
}

# run_pytest NAME ARGUMENTS...
run_pytest() {
    local name=$1 status=0
    shift
    # When this script is killed, pytest ends in order and takes its servers with it.
    env -C "$root/tests" setpriv --pdeathsig TERM -- \
        "$venv/bin/python" -m pytest -p no:cacheprovider --basetemp "$work/$name.tmp" --junit-xml "$work/$name.xml" "$@" || status=$?
    if [[ ! -f $work/$name.xml ]]; then
        fail_suite "$name: pytest did not run"
        return
    fi
    # shellcheck disable=SC2046
    count $("$venv/bin/python" "$root/tests/lib/count_junit.py" "$work/$name.xml")
    if ((status != 0)); then
        failures+=("$name")
    fi
}

# ---- the suites ----

suite_style() {
    say "style: formatting, layers, headers, naming, YAML, shell"
    local directory clang_directory
    directory=$(build debug) || { fail_suite "style: build"; return; }
    clang_directory=$(CC=clang build clang) || { fail_suite "style: build with Clang"; return; }
    BUILD_DIR=$directory CLANG_BUILD_DIR=$clang_directory run_pytest style style
}

suite_unit() {
    say "unit: cmocka, GCC and Clang"
    local directory
    directory=$(build debug) || { fail_suite "unit: build with GCC"; return; }
    run_meson_tests unit "$directory" --suite unit
    directory=$(CC=clang build clang) || { fail_suite "unit: build with Clang"; return; }
    count 1 0 0
}

suite_sanitize() {
    say "sanitize: unit tests under AddressSanitizer and UndefinedBehaviorSanitizer, and valgrind"
    local directory
    directory=$(build sanitize -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debug) ||
        { fail_suite "sanitize: build"; return; }
    run_meson_tests sanitize "$directory" --suite unit
}

suite_fuzz() {
    say "fuzz: every parser, its corpus and a short run"
    local directory target seconds=${FUZZ_SECONDS:-5}
    directory=$(CC=clang build fuzz -Dfuzz=true -Dtests=false -Db_sanitize=address,undefined -Db_lundef=false) ||
        { fail_suite "fuzz: build"; return; }
    for target in "$directory"/tests/fuzz/fuzz_*; do
        [[ -f $target && -x $target ]] || continue
        local name=${target##*/}
        mkdir -p "$work/$name" "$root/tests/fuzz/corpus/${name#fuzz_}"
        if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=0 \
            -artifact_prefix="$work/" "$work/$name" "$root/tests/fuzz/corpus/${name#fuzz_}" >"$work/$name.log" 2>&1; then
            count 1 0 0
        else
            tail -n 40 "$work/$name.log"
            fail_suite "fuzz: $name"
        fi
    done
}

suite_integration() {
    say "integration: the binary against a real API server and KServe, and the GitLab stand-in"
    local directory
    directory=$(build debug) || { fail_suite "integration: build"; return; }
    "$root/tests/servers/build" etcd kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler,kubectl kserve-0.16 knative-0.44 || { fail_suite "integration: servers"; return; }
    BUILD_DIR=$directory DEPLOY_INFERENCE_SERVICE=$directory/deploy-inference-service run_pytest integration integration harness
}

# The list that each version of KServe must pass; the suite integration has it for 0.16.
suite_controllers() {
    local directory version versions="0.20"
    [[ ${KSERVE_MATRIX-} == all ]] && versions="0.14 0.19 0.20"
    say "controllers: rollouts under the controllers of KServe $versions"
    directory=$(build debug) || { fail_suite "controllers: build"; return; }
    for version in $versions; do
        "$root/tests/servers/build" etcd kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler,kubectl "kserve-$version" ||
            { fail_suite "controllers: servers of KServe $version"; return; }
        KSERVE_VERSION=$version BUILD_DIR=$directory DEPLOY_INFERENCE_SERVICE=$directory/deploy-inference-service \
            run_pytest "controllers-$version" integration/test_controllers.py integration/test_serverless.py
    done
}

suite_pipelines() {
    say "pipelines: the YAML under Tekton's own webhooks, resolvers and event listeners, and the documentation's commands"
    local directory
    directory=$(build debug) || { fail_suite "pipelines: build"; return; }
    "$root/tests/servers/build" etcd kubernetes/kube-apiserver,kube-controller-manager,kubectl tekton triggers ||
        { fail_suite "pipelines: servers"; return; }
    BUILD_DIR=$directory run_pytest pipelines pipelines
}

suite_static() {
    say "static: the static binary and its image"
    [[ -x $root/container/build ]] || { skip_suite "static: container/build is missing"; return; }
    [[ -d $root/tests/static ]] || { skip_suite "static: no tests"; return; }
    "$root/tests/servers/build" etcd kubernetes/kube-apiserver,kube-controller-manager,kube-scheduler,kubectl kserve-0.16 || { fail_suite "static: servers"; return; }
    run_pytest static static
}

suite_e2e() {
    say "e2e: PipelineRuns on a real node, with Tekton, KServe and the program's image"
    [[ -d $root/tests/e2e ]] || { skip_suite "e2e: no tests"; return; }
    local reason
    reason=$(PYTHONPATH=$root/tests "$venv/bin/python" -c 'from harness.real_node import missing; print(missing())') ||
        { fail_suite "e2e: harness"; return; }
    [[ -z $reason ]] || { skip_suite "e2e: $reason"; return; }
    "$root/tests/servers/build" etcd kubernetes kserve-0.16 tekton triggers approval || { fail_suite "e2e: servers"; return; }
    "$root/container/build" --install --output "$work/e2e-dist" || { fail_suite "e2e: image"; return; }
    IMAGE_ARCHIVE=$work/e2e-dist/image.oci.tar run_pytest e2e e2e
}

run_suites() {
    local suite
    if ! prepare; then
        fail_suite "preparation"
    else
        for suite in "$@"; do
            "suite_$suite"
        done
    fi
    for suite in "${skips[@]}"; do
        printf 'skipped: %s\n' "$suite"
    done
    for suite in "${failures[@]}"; do
        printf 'failed: %s\n' "$suite"
    done
    if ((failed == 0 && ${#failures[@]} > 0)); then
        failed=${#failures[@]}
    fi
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0))
}
