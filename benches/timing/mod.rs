//! How benches time what they measure.

use std::time::Instant;

/// Runs that are timed.
pub(crate) const RUNS: usize = 7;

/// Median, least and most seconds of [`RUNS`] runs behind a first one.
pub(crate) fn timed(mut run: impl FnMut()) -> [f64; 3] {
    run();
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    [seconds[RUNS / 2], seconds[0], seconds[RUNS - 1]]
}
