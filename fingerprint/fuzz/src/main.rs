//! libFuzzer over the target that `METASTAMP_FUZZ_TARGET` names; started by `fuzz.sh`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use metastamp_fingerprint_fuzz::{Target, target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("METASTAMP_FUZZ_TARGET").unwrap_or_default();
        match target(&name) {
            Some(target) => drop(TARGET.set(target)),
            None => {
                eprintln!("METASTAMP_FUZZ_TARGET names no target: {name:?}");
                std::process::exit(2);
            }
        }
        // The decoders of others may panic: that is caught and answered. What is ours may not.
        std::panic::set_hook(Box::new(|panic| {
            let ours = panic.location().is_none_or(|location| location.file().contains("fingerprint"));
            if ours {
                eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
                std::process::abort();
            }
        }));
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
