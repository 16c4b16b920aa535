#!/usr/bin/env bash
# Sets up and passes every test: scripts/test.sh [--quick]
#   --quick   leave out formatting and lint
# A Debian with Rust and a C compiler is enough; the tests start what they need on loopback and end it again. Those
# that cut links between nodes need root and the command ip; as root it is installed if it is missing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

lint=yes
for argument in "$@"; do
  case "$argument" in
    --quick) lint=no ;;
    -h | --help) sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "unknown argument: $argument (see --help)" >&2; exit 2 ;;
  esac
done

need() {
  command -v "$1" > /dev/null && return
  echo "$1 is missing: $2" >&2
  exit 1
}

step() {
  printf '\n== %s\n' "$*"
  "$@"
}

need cargo "install Rust, see https://rustup.rs"
# the embedded database is C and is compiled from source
need cc "install a C compiler, on Debian: apt-get install build-essential"

if ! command -v ip > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  echo "installing iproute2: some tests cut links between nodes"
  apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends iproute2 > /dev/null
fi
need ip "install iproute2, on Debian: apt-get install iproute2"

if [ "$lint" = yes ]; then
  step cargo fmt --all --check
  step cargo clippy --workspace --all-targets -- -D warnings
fi
# the tests start the real binaries, which cargo test alone does not build
step cargo build --workspace --bins
# beside the real node one whose conditional writes are off: the chaos tests must find that
# (the whole workspace is named so that dependencies keep their features and are not built twice)
step cargo build --workspace --features metastamp-node/unfenced --bin metastamp-unfenced
step cargo test --workspace --no-fail-fast
