//! The closed loop around a target: what a result is worth, and lambda for the next run.

use super::compressed::Compressed;
use super::lambda::Lambda;
use super::options::Target;
use crate::container::FocusQuality;
use crate::error::Error;

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Aim {
    /// At least so many dB.
    Psnr { target: f64 },
    /// At most so many bytes of file.
    Bytes { budget: u64 },
}

/// Results this far above a PSNR target are done; up to [`WINDOW_DB`] they are taken when nothing better comes.
const NEAR_DB: f64 = 0.3;
const WINDOW_DB: f64 = 1.0;
/// What falling learning rates gain at most, up to this quality.
const MOST_GAIN_BY_FALL_DB: f64 = 8.0;
const COARSE_DB: f64 = 42.0;
/// What cheaper bits gain at most.
const MOST_GAIN_BY_LAMBDA_DB: f64 = 2.5;
/// Where corrections aim, above the target.
const AIM_DB: f64 = 0.12;
/// Shares of the byte budget: least that is taken, least that is done, where corrections aim.
const LEAST_SHARE: f64 = 0.97;
const NEAR_SHARE: f64 = 0.975;
const AIM_SHARE: f64 = 0.988;

impl Aim {
    /// `None` for targets that need no search. A quality has become its PSNR by now.
    pub(super) fn new(target: Target, stored_bytes: u64) -> Option<Self> {
        match target {
            Target::Psnr(target) => Some(Aim::Psnr { target }),
            Target::Ratio(_) | Target::Size(_) => {
                Some(Aim::Bytes { budget: target.byte_budget(stored_bytes).unwrap_or_default() })
            }
            Target::Quality(_) | Target::MaxError(_) | Target::Lossless => None,
        }
    }

    /// How near a result is to the target, larger being nearer: dB, or the file's bytes, times -1 above the budget.
    pub(super) fn figure(&self, candidate: &Compressed) -> f64 {
        let bytes = candidate.bytes.len() as f64;
        match self {
            Aim::Psnr { .. } => candidate.psnr(),
            Aim::Bytes { .. } if self.is_over_budget(candidate) => -bytes,
            Aim::Bytes { .. } => bytes,
        }
    }

    /// True for a file larger than a size target allows.
    pub(super) fn is_over_budget(&self, candidate: &Compressed) -> bool {
        matches!(self, Aim::Bytes { budget } if candidate.bytes.len() as u64 > *budget)
    }

    /// True for a result that is better than asked for, but beyond the window.
    pub(super) fn is_exceeded_by(&self, candidate: &Compressed) -> bool {
        matches!(self, Aim::Psnr { target } if candidate.psnr() >= *target)
    }

    /// Of two results that meet the target: the smaller one, or the better one of a size.
    pub(super) fn prefers(&self, new: &Compressed, old: &Compressed) -> bool {
        match self {
            Aim::Psnr { .. } => new.bytes.len() < old.bytes.len(),
            Aim::Bytes { .. } if new.psnr() == old.psnr() => new.bytes.len() < old.bytes.len(),
            Aim::Bytes { .. } => new.psnr() > old.psnr(),
        }
    }

    /// The error of a volume of so many stored bytes, of which `asked` was asked and the best that was found is `best`, as
    /// [`Self::figure`] has it.
    pub(super) fn missed(&self, best: f64, asked: Target, stored_bytes: u64) -> Error {
        let what = self.cannot(best, asked, stored_bytes);
        let figure = match *self {
            Aim::Psnr { target } => target,
            Aim::Bytes { budget } => budget as f64,
        };
        Error::Target { asked: figure, best: best.is_finite().then_some(best.abs()), what }
    }

    /// The same where something is asked of a focus, too.
    pub(super) fn missed_with_focus(
        &self,
        focus: FocusQuality,
        best: f64,
        asked: Target,
        stored_bytes: u64,
    ) -> Error {
        let what = match focus {
            FocusQuality::Psnr(db) => format!("with {db} dB in the `focus`"),
            FocusQuality::Lossless => "with a lossless `focus`".into(),
        };
        let met = match *self {
            Aim::Psnr { target } => best >= target,
            Aim::Bytes { .. } => false,
        };
        match self.missed(best, asked, stored_bytes) {
            // What is asked of the rest alone can be met.
            Error::Target { asked, .. } if met => {
                let what = format!("this volume cannot be brought to {asked} dB {what}");
                Error::Target { asked, best: None, what }
            }
            Error::Target { asked, best, what: cannot } => {
                Error::Target { asked, best, what: format!("{cannot} ({what})") }
            }
            other => other,
        }
    }

    pub(super) fn cannot(&self, best: f64, asked: Target, stored_bytes: u64) -> String {
        let of_bytes = |bytes: f64| format!("{bytes} bytes (ratio {:.1})", stored_bytes as f64 / bytes);
        let allowed = |budget: u64| match asked {
            Target::Ratio(ratio) => {
                format!("a ratio of {ratio}:1, for which a file may have {budget} bytes")
            }
            _ if budget == 0 => "0 bytes".into(),
            _ => of_bytes(budget as f64),
        };
        match self {
            Aim::Psnr { target } => {
                format!(
                    "this volume cannot be brought to {target} dB; the best that was reached is {best:.2} dB"
                )
            }
            Aim::Bytes { budget } if best < 0.0 => {
                format!(
                    "this volume cannot be brought to {}; the smallest that was found is {}",
                    allowed(*budget),
                    of_bytes(-best)
                )
            }
            Aim::Bytes { budget } => {
                format!(
                    "this volume cannot be brought to 97 to 100 % of {}; the nearest below is {}",
                    match asked {
                        Target::Ratio(ratio) => format!("the {budget} bytes of a ratio of {ratio}:1"),
                        _ => allowed(*budget),
                    },
                    of_bytes(best)
                )
            }
        }
    }
}

/// How a search ended.
pub(super) struct SearchResult {
    /// The best that meets the aim.
    pub(super) met: Option<Compressed>,
    /// How near the nearest came, as [`Aim::figure`] has it.
    pub(super) nearest: f64,
}

/// What a result is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// On target.
    Met,
    /// Inside the window; a correction may come nearer.
    Acceptable,
    /// Outside the window; lambda was corrected.
    Off,
    /// No lambda helps: the model cannot hold more.
    TooSmall { shortfall_db: f64 },
}

impl Verdict {
    pub(super) fn is_met(self) -> bool {
        matches!(self, Verdict::Met | Verdict::Acceptable)
    }
}

/// Lambda at the start, in units of the target's mean squared error: a typical slope of rate and distortion.
const FIRST_LAMBDA: f64 = 2.0;
/// Volumes of fewer measurements begin with a lower lambda.
const DEAR_BELOW: f64 = 20_000.0;
/// Below this share of the first lambda a bit is as good as free; above the other one nothing is left to take away.
const LEAST_LAMBDA: f64 = 0.01;
const MOST_LAMBDA: f64 = 1e4;
/// What a unit of lambda's logarithm typically does to a result: dB, and logarithm of bytes.
const TYPICAL_DB: f64 = -0.4;
const TYPICAL_BYTES: f64 = -0.5;
/// Share of a deviation that is corrected at each look during a run, and the largest change of lambda's logarithm.
const FOLLOW: f64 = 0.4;
const MAX_FOLLOW: f64 = 0.4;
/// Change of the logarithm of lambda in one correction, at most.
const MAX_MOVE: f64 = 1.0;

/// The search for lambda that meets the target.
pub(super) struct Search {
    aim: Aim,
    /// The first lambda for this volume, in units of the mean squared error aimed at.
    first_lambda: f64,
    /// Lambda in mean squared error (of values scaled to 0..1) for a bit a voxel; `None` before the first error is known.
    lambda: Option<f64>,
    /// The first lambda in the unit of `lambda`.
    first: f64,
    /// Logarithms of the highest lambda that was good enough for a PSNR, and of the lowest that was not.
    good: Option<f64>,
    bad: Option<f64>,
    /// Bytes of the file that are not parameters, once a whole file was written.
    overhead: f64,
}

impl Search {
    /// A search for a volume of so many measurements. In a tiny one bits are dear a voxel whatever they do.
    pub(super) fn new(aim: Aim, measured: usize) -> Self {
        let first_lambda = FIRST_LAMBDA * (measured as f64 / DEAR_BELOW).min(1.0);
        let lambda = match aim {
            Aim::Psnr { target } => Some(first_lambda * 10f64.powf(-target / 10.0)),
            Aim::Bytes { .. } => None,
        };
        let first = lambda.unwrap_or(0.0);
        Self { aim, first_lambda, lambda, first, good: None, bad: None, overhead: 400.0 }
    }

    /// Lambda now.
    pub(super) fn lambda(&self) -> f64 {
        self.lambda.unwrap_or(0.0)
    }

    /// Lambda now, for a step.
    pub(super) fn for_step(&self) -> Lambda {
        let relative = if self.first > 0.0 { self.lambda() / self.first } else { 1.0 };
        Lambda { value: self.lambda(), relative }
    }

    pub(super) fn wants_size(&self) -> bool {
        matches!(self.aim, Aim::Bytes { .. })
    }

    /// True when header and geometry alone are more than a size target allows.
    pub(super) fn overhead_exceeds_budget(&self) -> bool {
        matches!(self.aim, Aim::Bytes { budget } if self.overhead >= budget as f64)
    }

    /// True when lambda has reached its end.
    pub(super) fn is_exhausted(&self) -> bool {
        self.lambda() >= 0.9 * MOST_LAMBDA * self.first
    }

    /// Sets lambda a size target begins with, from the error that training has reached without one.
    pub(super) fn begin(&mut self, mean_error: f64) {
        if self.lambda.is_none() {
            // A run that has diverged by now is measured like any other; its lambda must stay a number.
            self.first = self.first_lambda * if mean_error.is_finite() { mean_error } else { 1.0 };
            self.lambda = Some(self.first);
        }
    }

    /// Follows the coded size in a run.
    pub(super) fn follow_size(&mut self, parameter_bytes: usize) {
        let (Aim::Bytes { budget }, Some(lambda)) = (self.aim, self.lambda) else { return };
        let share = (parameter_bytes as f64 + self.overhead) / (AIM_SHARE * budget as f64);
        self.set(lambda * (share.ln() * FOLLOW / -TYPICAL_BYTES).clamp(-MAX_FOLLOW, MAX_FOLLOW).exp());
    }

    /// A size target's first lambda comes from an early error, far above the last one.
    fn least_share(&self) -> f64 {
        match self.aim {
            Aim::Psnr { .. } => LEAST_LAMBDA,
            Aim::Bytes { .. } => LEAST_LAMBDA * LEAST_LAMBDA * LEAST_LAMBDA,
        }
    }

    fn set(&mut self, lambda: f64) {
        self.lambda = Some(lambda.clamp(self.first * self.least_share() * 0.5, self.first * MOST_LAMBDA));
    }

    /// How far a PSNR seen at high learning rates is below what can still lead to the target.
    pub(super) fn shortfall(&self, psnr: f64) -> Option<f64> {
        let Aim::Psnr { target } = self.aim else { return None };
        // The noise of high learning rates hides more of a good fit than of a coarse one.
        let most_gain = MOST_GAIN_BY_FALL_DB + 0.6 * (target - COARSE_DB).max(0.0);
        let shortfall = target - psnr - most_gain;
        (shortfall > 0.0).then_some(shortfall)
    }

    /// Judges a result and sets lambda for the next run.
    pub(super) fn judge(&mut self, candidate: &Compressed) -> Verdict {
        self.overhead = (candidate.bytes.len() - candidate.parameter_bytes) as f64;
        match self.aim {
            Aim::Psnr { target } => {
                let psnr = candidate.distortion.psnr;
                let above = psnr - target;
                if (0.0..=NEAR_DB).contains(&above) || psnr.is_infinite() {
                    return Verdict::Met;
                }
                // Far off although bits were never dearer than at first, or off although they are all but free.
                let hopeless = above < -MOST_GAIN_BY_LAMBDA_DB && self.lambda() <= self.first;
                if hopeless || above < 0.0 && self.lambda() < self.least_share() * self.first {
                    return Verdict::TooSmall { shortfall_db: -above };
                }
                self.correct_psnr(above);
                if (0.0..=WINDOW_DB).contains(&above) { Verdict::Acceptable } else { Verdict::Off }
            }
            Aim::Bytes { budget } => {
                let share = candidate.bytes.len() as f64 / budget as f64;
                if (NEAR_SHARE..=1.0).contains(&share) {
                    return Verdict::Met;
                }
                if share < LEAST_SHARE && self.lambda() < self.least_share() * self.first {
                    return Verdict::TooSmall { shortfall_db: 1.0 };
                }
                self.correct((share / AIM_SHARE).ln() / -TYPICAL_BYTES);
                if (LEAST_SHARE..=1.0).contains(&share) { Verdict::Acceptable } else { Verdict::Off }
            }
        }
    }

    /// Lambda to begin a correction with, for a PSNR this far above the target. Above it: halfway to the lowest lambda
    /// that was too high, once. Below it: back to the highest that was good enough, once; a field that has lost features
    /// needs a lower lambda than before to win them back.
    fn correct_psnr(&mut self, above: f64) {
        let now = self.lambda().ln();
        let typical = (above - AIM_DB) / -TYPICAL_DB;
        if above >= 0.0 {
            self.good = Some(self.good.map_or(now, |good| good.max(now)));
            match self.bad.take() {
                Some(bad) if now < bad => self.set(((now + bad) / 2.0).exp()),
                _ => self.correct(typical),
            }
        } else {
            self.bad = Some(self.bad.map_or(now, |bad| bad.min(now)));
            match self.good.take() {
                Some(good) if good < now => self.set(good.exp()),
                _ => self.correct(typical),
            }
        }
    }

    /// Lambda to begin a correction with, for a result this many units of ln(lambda) off; following does the rest.
    fn correct(&mut self, off: f64) {
        self.set(self.lambda() * off.clamp(-MAX_MOVE, MAX_MOVE).exp());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_out_of_reach_is_named_with_the_best_there_is() {
        let stored = 24_000;
        let cannot =
            |target: Target, best: f64| Aim::new(target, stored).unwrap().cannot(best, target, stored);
        assert_eq!(
            cannot(Target::Ratio(1e6), -480.0),
            "this volume cannot be brought to a ratio of 1000000:1, for which a file may have 0 bytes; the smallest that was \
             found is 480 bytes (ratio 50.0)"
        );
        assert_eq!(
            cannot(Target::Ratio(100.0), -480.0),
            "this volume cannot be brought to a ratio of 100:1, for which a file may have 240 bytes; the smallest that was \
             found is 480 bytes (ratio 50.0)"
        );
        assert!(cannot(Target::Size(240), -480.0).contains("to 240 bytes (ratio 100.0); the smallest"));
        assert!(cannot(Target::Size(0), -480.0).contains("to 0 bytes; the smallest"));
        assert!(
            cannot(Target::Ratio(10.0), 480.0)
                .contains("97 to 100 % of the 2400 bytes of a ratio of 10:1; the nearest")
        );
    }
}
