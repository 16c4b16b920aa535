//! How alike two works are, algorithm by algorithm.
