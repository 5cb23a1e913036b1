//! The mean ratio of two compressors' sizes at equal PSNR.
//!
//! Bjontegaard's way (ITU-T VCEG-M33): the logarithm of the size as a function of the PSNR, its mean over the PSNRs that
//! both curves cover. The function between the points is the monotone piecewise cubic (Fritsch & Carlson 1980, with
//! the slopes of Fritsch & Butland 1984) that JCT-VC's later sheets have instead of one cubic through four points: it takes
//! any number of points, does not swing, and is a straight line for two.

/// A point of a curve: PSNR in dB, and the size in any unit.
pub(crate) type Point = (f64, f64);

/// A ratio, and the PSNRs that it is the mean over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SizeRatio {
    pub(crate) ratio: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The mean, geometric, of `ours` by `theirs` in size at equal PSNR; `None` where fewer than two PSNRs of a curve differ, or
/// where the curves have no PSNR in common.
pub(crate) fn mean_size_ratio(ours: &[Point], theirs: &[Point]) -> Option<SizeRatio> {
    let (ours, theirs) = (Curve::through(ours)?, Curve::through(theirs)?);
    let low = ours.psnrs[0].max(theirs.psnrs[0]);
    let high = ours.psnrs[ours.psnrs.len() - 1].min(theirs.psnrs[theirs.psnrs.len() - 1]);
    if high <= low {
        return None;
    }
    let mut knots: Vec<f64> =
        ours.psnrs.iter().chain(&theirs.psnrs).copied().filter(|p| (low..=high).contains(p)).collect();
    knots.sort_by(f64::total_cmp);
    let difference = |psnr: f64| ours.at(psnr) - theirs.at(psnr);
    // Simpson's rule is exact for cubics.
    let integral: f64 = knots
        .windows(2)
        .map(|k| {
            (k[1] - k[0]) / 6.0
                * (difference(k[0]) + 4.0 * difference((k[0] + k[1]) / 2.0) + difference(k[1]))
        })
        .sum();
    Some(SizeRatio { ratio: (integral / (high - low)).exp(), low, high })
}

/// The logarithm of the size by PSNR.
struct Curve {
    psnrs: Vec<f64>,
    logs: Vec<f64>,
    slopes: Vec<f64>,
}

impl Curve {
    /// `None` for fewer than two different PSNRs. Of several sizes at one PSNR the smallest counts.
    fn through(points: &[Point]) -> Option<Self> {
        let mut points: Vec<Point> = points.iter().copied().filter(|p| p.0.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup_by(|later, earlier| later.0 == earlier.0);
        if points.len() < 2 {
            return None;
        }
        let psnrs: Vec<f64> = points.iter().map(|p| p.0).collect();
        let logs: Vec<f64> = points.iter().map(|p| p.1.ln()).collect();
        let slopes = slopes(&psnrs, &logs);
        Some(Self { psnrs, logs, slopes })
    }

    /// Between the first and the last point.
    fn at(&self, psnr: f64) -> f64 {
        let piece = self.psnrs.partition_point(|&p| p <= psnr).clamp(1, self.psnrs.len() - 1) - 1;
        let width = self.psnrs[piece + 1] - self.psnrs[piece];
        let t = (psnr - self.psnrs[piece]) / width;
        // Hermite's basis.
        let [a, b] = [self.logs[piece], self.logs[piece + 1]];
        let [slope_a, slope_b] = [self.slopes[piece] * width, self.slopes[piece + 1] * width];
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * a
            + (t3 - 2.0 * t2 + t) * slope_a
            + (3.0 * t2 - 2.0 * t3) * b
            + (t3 - t2) * slope_b
    }
}

fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let widths: Vec<f64> = x.windows(2).map(|x| x[1] - x[0]).collect();
    let secants: Vec<f64> = y.windows(2).zip(&widths).map(|(y, width)| (y[1] - y[0]) / width).collect();
    let last = secants.len() - 1;
    let mut slopes = vec![secants[0]; x.len()];
    for i in 1..=last {
        let (before, after) = (secants[i - 1], secants[i]);
        slopes[i] = if before * after > 0.0 {
            let (w1, w2) = (2.0 * widths[i] + widths[i - 1], widths[i] + 2.0 * widths[i - 1]);
            (w1 + w2) / (w1 / before + w2 / after)
        } else {
            0.0
        };
    }
    if last > 0 {
        slopes[0] = end_slope(widths[0], widths[1], secants[0], secants[1]);
        slopes[last + 1] = end_slope(widths[last], widths[last - 1], secants[last], secants[last - 1]);
    }
    slopes
}

/// Of the parabola through the three last points, as long as it keeps the shape.
fn end_slope(width: f64, next_width: f64, secant: f64, next: f64) -> f64 {
    let slope = ((2.0 * width + next_width) * secant - width * next) / (width + next_width);
    if slope * secant <= 0.0 {
        0.0
    } else if secant * next <= 0.0 && slope.abs() > 3.0 * secant.abs() {
        3.0 * secant
    } else {
        slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: [Point; 4] = [(34.1, 1000.0), (40.2, 4200.0), (46.0, 21000.0), (52.3, 60000.0)];

    fn close(got: Option<SizeRatio>, wanted: f64) {
        let got = got.expect("the curves overlap").ratio;
        assert!((got / wanted - 1.0).abs() < 1e-12, "{got} instead of {wanted}");
    }

    #[test]
    fn a_curve_is_level_with_itself_and_half_of_it_is_half() {
        let half = CURVE.map(|(psnr, size)| (psnr, size / 2.0));
        for count in 2..=4 {
            close(mean_size_ratio(&CURVE[..count], &CURVE[..count]), 1.0);
            close(mean_size_ratio(&half[..count], &CURVE[..count]), 0.5);
            close(mean_size_ratio(&CURVE[..count], &half[..count]), 2.0);
        }
    }

    #[test]
    fn straight_lines_are_integrated_over_what_they_share() {
        // ln size = PSNR / 10 and 0.2 + PSNR / 20: their mean difference over 32..40 is 36 / 20 - 0.2.
        let ours = [30.0, 33.0, 36.0, 40.0].map(|p: f64| (p, (p / 10.0).exp()));
        let theirs = [32.0, 41.0, 43.0].map(|p: f64| (p, (0.2 + p / 20.0).exp()));
        let got = mean_size_ratio(&ours, &theirs);
        close(got, (36f64 / 20.0 - 0.2).exp());
        assert_eq!(got.map(|g| (g.low, g.high)), Some((32.0, 40.0)));
    }

    #[test]
    fn a_bend_by_hand() {
        // Logarithms 0, 0, 1 at 0, 1, 2, slopes 0, 0, (3 * 1 - 0) / 2 = 1.5: the first piece is flat, the second
        // 3 t^2 - 2 t^3 + 1.5 (t^3 - t^2), whose integral is 0.375.
        let ours = [(0.0, 1.0), (1.0, 1.0), (2.0, 1f64.exp())];
        let flat = [(0.0, 1.0), (2.0, 1.0)];
        close(mean_size_ratio(&ours, &flat), (0.375f64 / 2.0).exp());
    }

    #[test]
    fn order_and_repeated_points_do_not_matter() {
        let mut shuffled = vec![CURVE[2], CURVE[0], CURVE[3], CURVE[1], CURVE[2]];
        shuffled.push((CURVE[0].0, 2.0 * CURVE[0].1));
        shuffled.push((f64::INFINITY, 1e9));
        close(mean_size_ratio(&shuffled, &CURVE), 1.0);
    }

    #[test]
    fn without_a_common_range_there_is_no_ratio() {
        assert_eq!(mean_size_ratio(&CURVE[..2], &CURVE[2..]), None);
        assert_eq!(mean_size_ratio(&CURVE[..1], &CURVE), None);
        assert_eq!(mean_size_ratio(&[CURVE[0], CURVE[0]], &CURVE), None);
    }
}
