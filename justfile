# What people run here. `just` lists it; each line also works typed by hand.

# show this list
default:
    @just --list

# build and run a node on the embedded stores
run:
    cargo run --release

# a cluster of nodes on this machine, behind a small load balancer
dev NODES="3" *ARGS:
    cargo run --release -- dev --nodes {{NODES}} {{ARGS}}

# a node with a demo account and sample works
demo:
    cargo run --release -- demo

# make the stores and the administrator
init *ARGS:
    cargo run --release -- init {{ARGS}}

# the effective configuration, secrets masked
config:
    cargo run --release -- config --dump

# set up and pass everything: formatting, lint, all tests
test:
    scripts/test.sh

# tests without formatting and lint
quick:
    scripts/test.sh --quick

# one crate's tests, for example `just crate fingerprint`
crate NAME *ARGS:
    cargo test --package metastamp-{{NAME}} {{ARGS}}

# tests of the whole by name, for example `just whole payouts::` (on servers: METASTAMP_TEST_STORES=servers just whole payouts::)
whole FILTER *ARGS:
    cargo build --workspace --bins
    cargo test --workspace --test main -- {{FILTER}} {{ARGS}}

# all tests on embedded stores, each killed when it hangs, and the slowest of them (needs cargo-nextest)
nextest *ARGS:
    cargo build --workspace --bins
    cargo build --workspace --features metastamp-node/unfenced --bin metastamp-unfenced
    cargo nextest run --workspace {{ARGS}}
    scripts/slowest.py target/nextest/default/junit.xml

# install the servers that tests start into target/servers
servers:
    scripts/test.sh --servers

# clippy as the tests run it
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# format all code
fmt:
    cargo fmt --all

# licences, sources, bans and advisories of the dependencies (needs cargo-deny)
deny:
    cargo deny check

# what a request costs on a real node, and each fingerprint against bare decoding
bench:
    cargo bench --package metastamp-node
    cargo bench --package metastamp-fingerprint

# the same requests on embedded stores and on servers, store calls, backup and restore
bench-stores:
    scripts/test.sh --servers
    cargo bench --workspace --bench stores

# kill -9 a node again and again while clients upload, then judge it
chaos MINUTES="1" *ARGS:
    cargo build --release --workspace --bins
    target/release/chaos run --minutes {{MINUTES}} --out target/chaos-history.jsonl {{ARGS}}

# the crates' documentation, in a browser
doc:
    cargo doc --workspace --no-deps --document-private-items --open

# hold the golden vectors against the reference implementations (needs Python, fpcalc and ffmpeg)
golden:
    python3 -m venv target/golden-venv
    target/golden-venv/bin/pip install --quiet 'pillow==12.2.0' 'imagehash==4.3.2' 'pdqhash==0.2.8' 'iscc-core==1.5.0' 'iscc-sdk==0.9.7' 'librosa==0.11.0' blake3 xxhash 'piexif==1.1.3'
    for script in make make_image make_metadata make_audio make_video make_text; do target/golden-venv/bin/python fingerprint/golden/$script.py --check || exit 1; done

# look for inputs that break a parser of fingerprints, so many seconds for each
fuzz SECONDS="60":
    fingerprint/fuzz/fuzz.sh {{SECONDS}}

# remove the data directory of the default configuration: all accounts and works in it are gone
[confirm("Remove ./data with all accounts and works in it?")]
clean-data:
    rm -rf -- data
