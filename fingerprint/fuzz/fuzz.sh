#!/usr/bin/env bash
# Fuzzes the parsers of fingerprints: fingerprint/fuzz/fuzz.sh [SECONDS [TARGET...]]
#   SECONDS   for each target, 3 unless told
#   TARGET    audio, digest, exif, image, pdf, text, …: every one unless told
# A long run: fingerprint/fuzz/fuzz.sh 3600 pdf image
#
# libFuzzer on stable Rust: a wrapper around the compiler adds coverage to the crates of this workspace, so only those
# are compiled again and the decoders of others are used as they are built already. What is found and worth keeping
# goes to target/fuzz/corpus/TARGET, what breaks something to target/fuzz/artifacts/TARGET: put the latter into
# fingerprint/fuzz/corpus/TARGET once it is mended, the tests run it from then on.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=fingerprint/fuzz
seconds=${1:-3}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for folder in "$here"/corpus/*/; do targets+=("$(basename "$folder")"); done
fi

# the whole workspace is named so that dependencies keep their features and are not built twice
RUSTC_WORKSPACE_WRAPPER=$PWD/$here/coverage.sh \
  cargo build --quiet --workspace --features metastamp-fingerprint-fuzz/libfuzzer --bin metastamp-fuzz
fuzzer=${CARGO_TARGET_DIR:-target}/debug/metastamp-fuzz

for target in "${targets[@]}"; do
  found=target/fuzz/corpus/$target artifacts=target/fuzz/artifacts/$target
  mkdir -p "$found" "$artifacts"
  folders=("$found" "$here/corpus/$target")
  case $target in image) folders+=(fingerprint/golden/images) ;; esac
  # The input that takes the longest has ten seconds on a busy machine; a parser may not take 2 GiB.
  if ! METASTAMP_FUZZ_TARGET=$target "$fuzzer" "${folders[@]}" -max_total_time="$seconds" -timeout=30 \
    -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="$artifacts/" -print_final_stats=1 -verbosity=1 \
    > "target/fuzz/$target.log" 2>&1; then
    tail -n 60 "target/fuzz/$target.log" >&2
    echo "fuzz: $target failed; the input is in $artifacts" >&2
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "target/fuzz/$target.log")
  cover=$(grep -o 'cov: [0-9]*' "target/fuzz/$target.log" | tail -1)
  echo "fuzz: $target ok, ${runs:-0} inputs, ${cover:-cov: ?}"
done
