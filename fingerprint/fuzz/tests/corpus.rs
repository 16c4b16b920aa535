//! Every kept input, seeds and what once broke something, through its target.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use metastamp_fingerprint_fuzz::TARGETS;

#[test]
fn every_kept_input_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no seeds");
    }
}
