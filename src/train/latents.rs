//! Targets met by a latent grid: its step is searched for, the rest follows.

use super::candidate::Writer;
use super::compressed::Compressed;
use super::focus_step::FocusStep;
use super::latent_source::{LatentSource, Tissues, rate};
use super::progress::{Reporter, Stage};
use super::refined_grid::RefinedGrid;
use super::target::{Aim, SearchResult};
use crate::container::MOST_STEP;
use crate::error::Result;
use crate::latents::LatentStreams;

/// Steps that are tried.
const MOST_TRIES: u64 = 16;
/// A PSNR this near above the target is taken at once.
const NEAR_DB: f64 = 0.01;
/// A file of at least this share of a byte target is taken at once.
const NEAR_SHARE: f64 = 0.995;
/// What halving a step does, about.
pub(super) const DB_A_NEPER: f64 = -6.0;
const BYTES_A_NEPER: f64 = -1.1;
/// Steps are not told apart whose logarithms differ by less.
const LEAST_BETWEEN: f64 = 5e-4;
/// The logarithm of a step is not moved further at a time while only one side of the target is known, about.
const LONGEST_MOVE: f64 = 1.5;
/// Steps beyond these are not tried, in units of the range.
pub(super) const STEPS: [f64; 2] = [1e-8, MOST_STEP as f64];

/// What a step gave.
pub(super) struct Tried {
    /// Natural logarithm of the step.
    pub(super) at: f64,
    /// How far above the target: dB, or ln of the budget by the bytes, times -1.
    pub(super) above: f64,
}

impl Aim {
    /// How far above the target a result is: dB, or the logarithm of the budget by the bytes.
    fn above(self, candidate: &Compressed) -> f64 {
        match self {
            Aim::Psnr { target } => candidate.psnr() - target,
            Aim::Bytes { budget } => (budget as f64 / candidate.bytes.len() as f64).ln(),
        }
    }

    /// By how much, about, that changes when the step's logarithm grows by one.
    fn slope(self) -> f64 {
        match self {
            Aim::Psnr { .. } => DB_A_NEPER,
            Aim::Bytes { .. } => -BYTES_A_NEPER,
        }
    }
}

/// The smallest file of a latent grid that meets the aim: first without a perceptron, then, where that may pay, with one.
///
/// # Errors
/// [`Error::Interrupted`] when the reporter says so.
pub(super) fn compress(
    source: &LatentSource<'_>,
    aim: Aim,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<SearchResult> {
    reporter.long_step(Stage::Coding, 0, MOST_TRIES, f64::NAN)?;
    let encoder = source.encoder();
    let voxels = source.volume.len();

    // Of a fine quantiser the error is a twelfth of the squared step; dead zones double it.
    let first = match aim {
        Aim::Psnr { target } => step_for(target),
        Aim::Bytes { .. } => 0.02,
    };
    let mut focus = FocusStep::of(source.focus);
    let mut of_grid = 0;
    let mut plain = |step: f64, focus: f64| {
        let streams = writer.latent_streams(&encoder, rate(step, focus));
        of_grid = streams.bytes();
        writer.latents(streams)
    };
    let bounds = Bounds { voxels, ..Bounds::default() };
    let (mut found, step) = search(aim, first, bounds, &mut focus, &mut plain, reporter)?;
    let Some((met, step)) = found.met.as_ref().zip(step) else { return Ok(found) };
    let Some(refiner) = source.refiner(of_grid) else { return Ok(found) };
    let met_bytes = met.bytes.len();
    // A perceptron is worth a fifth of the step or more, or its own bytes.
    let first = match aim {
        Aim::Psnr { .. } => step * 1.2,
        Aim::Bytes { .. } => step * 1.02,
    };
    let mut refined = RefinedGrid::new(source, refiner, encoder);
    let mut step = first.clamp(STEPS[0], STEPS[1]);
    // Rounds differ by their luck; of the best one, bytes are the fewest at equal quality.
    let mut best = (f64::INFINITY, 0, step);
    for round in 0..refined.rounds() {
        let streams = refined.learn(rate(step, focus.as_ref().map_or(step, FocusStep::step)), writer)?;
        let candidate = writer.latents(streams)?;
        let above = aim.above(&candidate);
        log::debug!(
            "round {round}, step {step:.6}: {:.3} dB, {} bytes",
            candidate.psnr(),
            candidate.bytes.len()
        );
        reporter.long_step(Stage::Coding, round as u64 + 1, MOST_TRIES, candidate.psnr())?;
        let merit = (candidate.bytes.len() as f64).ln() - BYTES_A_NEPER / DB_A_NEPER * candidate.psnr();
        let further = (-above / aim.slope()).clamp(-0.5, 0.5);
        let longer = if further.is_finite() { further.exp() } else { 1.0 };
        step = (step * longer).clamp(STEPS[0], STEPS[1]);
        if merit < best.0 {
            best = (merit, round, step);
        }
    }
    let (_, round, step) = best;
    refined.settle(round)?;
    // The perceptron and what it leaves to the coefficients stay, so that the search comes to an end. They are for steps like
    // the last one: with much shorter ones the error is what the perceptron adds no more.
    let steps = [(0.5 * step).max(STEPS[0]), (2.0 * step).min(STEPS[1])];
    let bounds = Bounds { steps, voxels, hopeless: met_bytes };
    let mut attempt = |step: f64, focus: f64| writer.latents(refined.streams(rate(step, focus), writer)?);
    let (better, step) = search(aim, step, bounds, &mut focus, &mut attempt, reporter)?;
    found.nearest = found.nearest.max(better.nearest);
    let Some((better, step)) = better.met.zip(step) else { return Ok(found) };
    let is_better = found.met.as_ref().is_none_or(|met| aim.prefers(&better, met));
    if is_better {
        found.met = Some(better);
    }
    if is_better {
        keep_tissues(
            &mut found,
            source,
            (aim, step, steps),
            (&mut refined, round),
            (writer, &mut focus),
            reporter,
        )?;
    }
    Ok(found)
}

/// The file of a latent grid that follows the step before: coded by its numbers, and read by its perceptron. Gives the bytes, too, that
/// the grid would take by itself.
///
/// # Errors
/// [`Error::Interrupted`] when the reporter says so.
pub(super) fn follow(
    source: &LatentSource<'_>,
    before: &LatentStreams,
    first: f64,
    aim: Aim,
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<(SearchResult, Option<usize>)> {
    reporter.long_step(Stage::Coding, 0, MOST_TRIES, f64::NAN)?;
    let mut refined = RefinedGrid::following(source, source.encoder(), before.perceptron.clone());
    let first = first.clamp(STEPS[0], STEPS[1]);
    if before.perceptron.is_some() {
        refined.learn(rate(first, first), writer)?;
        refined.settle(0)?;
    }
    let mut focus = None;
    let mut attempt = |step: f64, focus: f64| writer.latents(refined.streams(rate(step, focus), writer)?);
    let bounds = Bounds { voxels: source.volume.len(), ..Bounds::default() };
    let (mut found, step) = search(aim, first, bounds, &mut focus, &mut attempt, reporter)?;
    let Some(step) = step.filter(|_| found.met.is_some()) else { return Ok((found, None)) };
    let alone = refined.bytes_alone(rate(step, step));
    if before.perceptron.is_some() {
        let steps = [(0.5 * step).max(STEPS[0]), (2.0 * step).min(STEPS[1])];
        keep_tissues(
            &mut found,
            source,
            (aim, step, steps),
            (&mut refined, 0),
            (writer, &mut focus),
            reporter,
        )?;
    }
    Ok((found, Some(alone)))
}

/// Brings the tissues of a file that meets the aim to where they are in the mean, where that is asked for.
fn keep_tissues(
    found: &mut SearchResult,
    source: &LatentSource<'_>,
    (aim, step, steps): (Aim, f64, [f64; 2]),
    (refined, round): (&mut RefinedGrid<'_>, usize),
    (writer, focus): (&Writer<'_>, &mut Option<FocusStep>),
    reporter: &mut Reporter<'_>,
) -> Result<()> {
    let Some((Tissues { original, engine }, met)) = source.tissues.as_ref().zip(found.met.as_ref()) else {
        return Ok(());
    };
    let Some(shift) = original.shift(met, engine.clone())? else { return Ok(()) };
    log::debug!("{shift:?}");
    refined.shift(shift, round)?;
    let bounds = Bounds { steps, voxels: source.volume.len(), ..Bounds::default() };
    let mut attempt = |step: f64, focus: f64| writer.latents(refined.streams(rate(step, focus), writer)?);
    let (shifted, _) = search(aim, step, bounds, focus, &mut attempt, reporter)?;
    found.met = shifted.met.or(found.met.take());
    Ok(())
}

/// The step of a fine quantiser for a PSNR, about.
pub(super) fn step_for(psnr: f64) -> f64 {
    10f64.powf(-psnr / 20.0) * 3.0
}

/// Where a search ends.
#[derive(Clone, Copy)]
struct Bounds {
    /// The steps that are tried.
    steps: [f64; 2],
    /// Of the volume.
    voxels: usize,
    /// A file of so many bytes that misses a quality ends the search.
    hopeless: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { steps: STEPS, voxels: 0, hopeless: usize::MAX }
    }
}

/// Searches for the steps of the smallest file that meets the aim, and what is asked of a focus. `attempt` makes files of a step
/// and the focus'. Gives the file and its step, and leaves the focus' step for later searches.
fn search(
    aim: Aim,
    first: f64,
    bounds: Bounds,
    focus: &mut Option<FocusStep>,
    attempt: &mut dyn FnMut(f64, f64) -> Result<Compressed>,
    reporter: &mut Reporter<'_>,
) -> Result<(SearchResult, Option<f64>)> {
    let Some(focus) = focus else {
        return search_outside(aim, first, bounds, &mut |step| attempt(step, step), reporter);
    };
    // What the step outside changes in the focus is little, but not nothing.
    let mut first = first;
    for _ in 0..MOST_TRIES {
        let mut settled = focus.settle(first, attempt, reporter)?;
        let inside = focus.step();
        let mut at_steps = |step: f64| match settled.take().filter(|_| step == first) {
            Some(candidate) => Ok(candidate),
            None => attempt(step, inside),
        };
        let (found, step) = search_outside(aim, first, bounds, &mut at_steps, reporter)?;
        let Some((met, step)) = found.met.as_ref().zip(step) else { return Ok((found, None)) };
        if focus.is_met(met) {
            return Ok((found, Some(step)));
        }
        first = step;
    }
    Ok((SearchResult { met: None, nearest: f64::NEG_INFINITY }, None))
}

/// Searches for the step of the smallest file that meets the aim, and gives it, too.
fn search_outside(
    aim: Aim,
    first: f64,
    bounds: Bounds,
    attempt: &mut dyn FnMut(f64) -> Result<Compressed>,
    reporter: &mut Reporter<'_>,
) -> Result<(SearchResult, Option<f64>)> {
    let mut step = first;
    let (mut found, mut step_met) = (SearchResult { met: None, nearest: f64::NEG_INFINITY }, None);
    let (mut last_met, mut same_side) = (None, 0);
    // The nearest ones on either side of the target.
    let (mut met, mut missed): (Option<Tried>, Option<Tried>) = (None, None);
    for tries in 0..MOST_TRIES {
        let candidate = attempt(step)?;
        let (psnr, bytes) = (candidate.psnr(), candidate.bytes.len());
        log::debug!("step {step:.6}: {psnr:.3} dB, {bytes} bytes");
        reporter.long_step(Stage::Coding, tries + 1, MOST_TRIES, psnr)?;
        let above = aim.above(&candidate);
        let is_near = match aim {
            Aim::Psnr { .. } => (0.0..=NEAR_DB).contains(&above),
            Aim::Bytes { .. } => (0.0..=-NEAR_SHARE.ln()).contains(&above),
        };
        found.nearest = found.nearest.max(aim.figure(&candidate));
        let tried = Tried { at: step.ln(), above };
        if above >= 0.0 {
            if found.met.as_ref().is_none_or(|best| aim.prefers(&candidate, best)) {
                (found.met, step_met) = (Some(candidate), Some(step));
            }
            met = Some(tried);
        } else {
            missed = Some(tried);
        }
        // Nothing better than exact is asked for, and in so many bits integers are smaller.
        let is_exact = above >= 0.0 && psnr.is_infinite();
        let takes_many_bits = 8 * bytes > bounds.voxels;
        let is_hopeless = above < 0.0 && bytes >= bounds.hopeless && matches!(aim, Aim::Psnr { .. });
        if is_near || is_hopeless || is_exact && (takes_many_bits || matches!(aim, Aim::Bytes { .. })) {
            break;
        }
        same_side = if last_met == Some(above >= 0.0) { same_side + 1 } else { 0 };
        last_met = Some(above >= 0.0);
        let next = match (&met, &missed) {
            // One end does not move: the curve is bent too much to interpolate.
            (Some(met), Some(missed)) if same_side >= 2 => (met.at + missed.at) / 2.0,
            // What no step changes, as the header, hides the slope.
            (Some(_), None) | (None, Some(_)) if same_side >= 3 && matches!(aim, Aim::Bytes { .. }) => {
                let next = next_step(met.as_ref(), missed.as_ref(), aim.slope());
                step.ln() + LONGEST_MOVE.copysign(next - step.ln())
            }
            (met, missed) => next_step(met.as_ref(), missed.as_ref(), aim.slope()),
        };
        let next = next.clamp(bounds.steps[0].ln(), bounds.steps[1].ln());
        // Nothing is left beyond the last step that may be tried, or between the two: where a few bytes decide, a little less is as often
        // more.
        let between = met.as_ref().zip(missed.as_ref()).map(|(met, missed)| (met.at - missed.at).abs());
        if (next - step.ln()).abs() < 1e-5 || between.is_some_and(|between| between < LEAST_BETWEEN) {
            break;
        }
        step = next.exp();
    }
    Ok((found, step_met))
}

/// The logarithm of the step to try after these.
pub(super) fn next_step(met: Option<&Tried>, missed: Option<&Tried>, typical: f64) -> f64 {
    match (met, missed) {
        (Some(met), Some(missed)) => {
            let middle = (met.at + missed.at) / 2.0;
            let share = met.above / (met.above - missed.above);
            if !share.is_finite() {
                return middle;
            }
            // Between the two, a little on the side that meets; never so near to one that the other stays for ever.
            met.at + (missed.at - met.at) * (share - 0.02).clamp(0.03, 0.97)
        }
        (Some(only), None) | (None, Some(only)) => {
            // Beyond, a little further than it seems.
            let by = (-only.above / typical).clamp(-LONGEST_MOVE, LONGEST_MOVE);
            let by = if by.is_finite() { by } else { 1.0 };
            let least = if (only.above < 0.0) == (typical < 0.0) { -0.02 } else { 0.02 };
            only.at + by * 1.05 + least
        }
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_close_in_on_the_target() {
        // 6 dB a neper, bent: what a volume does.
        let psnr = |at: f64| 20.0 - 6.0 * at - 0.3 * at * at;
        let target = 41.3;
        let (mut met, mut missed) = (None, None);
        let mut at = -9.0;
        for tries in 0.. {
            assert!(tries < 10, "not found");
            let above = psnr(at) - target;
            let tried = Tried { at, above };
            if above >= 0.0 {
                met = Some(tried)
            } else {
                missed = Some(tried)
            }
            if (0.0..NEAR_DB).contains(&above) {
                break;
            }
            at = next_step(met.as_ref(), missed.as_ref(), DB_A_NEPER);
        }
    }
}
