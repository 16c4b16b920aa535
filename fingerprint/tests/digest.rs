//! Digests of streams against hashlib, blake3 and iscc-core.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read};
use std::ops::ControlFlow;

use metastamp_fingerprint::digest::{Digester, of_reader, of_sized};
use metastamp_fingerprint::{FingerprintError, NoProgress};
use metastamp_protocol::fingerprint::Digests;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    digests: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    kind: String,
    length: usize,
    #[serde(flatten)]
    digests: Digests,
}

fn golden() -> Vec<Vector> {
    let golden: Golden = serde_json::from_str(include_str!("../golden/text.json")).unwrap();
    golden.digests
}

/// As `golden/make_text.py` makes them.
fn stream(kind: &str, length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    match kind {
        "noise" => (0..length).map(|_| noise()).collect(),
        "steps" => (0..length).map(|i| (i / 1000) as u8).collect(),
        _ => vec![0; length],
    }
}

fn in_steps(bytes: &[u8], step: usize) -> Digests {
    let mut digester = Digester::new();
    bytes.chunks(step).for_each(|piece| digester.update(piece));
    digester.finalize()
}

#[test]
fn equal_to_the_references_in_any_pieces() {
    let vectors = golden();
    assert!(vectors.len() >= 15);
    for vector in vectors {
        let bytes = stream(&vector.kind, vector.length);
        for step in [usize::MAX, 131_072, 65_537, 4_099] {
            assert_eq!(in_steps(&bytes, step), vector.digests, "{} {} by {step}", vector.kind, vector.length);
        }
        assert_eq!(of_reader(&bytes[..], &mut NoProgress).unwrap(), vector.digests);
    }
}

#[test]
fn single_bytes_are_as_good() {
    let bytes = stream("noise", 300_000);
    assert_eq!(in_steps(&bytes, 1), in_steps(&bytes, bytes.len()));
}

#[test]
fn can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Digester>();
}

#[test]
fn progress_rises_and_stops_the_work() {
    let bytes = stream("steps", 3_000_000);
    let mut seen = Vec::new();
    let mut watch = |percent| {
        seen.push(percent);
        ControlFlow::Continue(())
    };
    of_sized(&bytes[..], Some(bytes.len() as u64), &mut watch).unwrap();
    assert!(seen.is_sorted() && seen.len() > 10 && seen.last() == Some(&100), "{seen:?}");

    let mut stop = |percent| if percent > 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let result = of_sized(&bytes[..], Some(bytes.len() as u64), &mut stop);
    assert!(matches!(result, Err(FingerprintError::Cancelled)));
}

#[test]
fn a_failing_reader_is_an_error() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    assert!(matches!(of_reader(Fails, &mut NoProgress), Err(FingerprintError::Io(_))));
}
