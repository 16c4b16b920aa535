//! Runs loops with the widest vectors of the machine.

/// Runs an expression compiled for AVX2 where the machine has it. Every function that it calls and that matters must be
/// `inline(always)`. Results do not depend on it: integers are exact, and the compiler neither reorders nor fuses
/// operations on floats.
macro_rules! fast {
    ($work:expr) => {{
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            simd.vectorize(
                #[inline(always)]
                || $work,
            )
        } else {
            $work
        }
        #[cfg(not(target_arch = "x86_64"))]
        $work
    }};
}

pub(crate) use fast;
