//! Runs loops with the widest vectors of the machine.

/// Runs `work` compiled for AVX2 where the machine has it. `work` and every function in it that matters must be
/// `inline(always)`. Results do not depend on it.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(work);
    }
    work()
}
