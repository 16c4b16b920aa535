#!/bin/sh
# What cargo calls in the place of rustc for our own crates (RUSTC_WORKSPACE_WRAPPER): the compiler with clippy's lints, and
# no warning is let through.
exec clippy-driver "$@" -D warnings
