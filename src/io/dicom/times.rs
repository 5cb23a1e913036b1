//! When each volume of a series over time was measured.

use super::dimension::{DIMENSIONS, TIMES, Value};
use super::separate::SeparatePart;

/// The times of the volumes in seconds, by the first attribute that each of their slices has and that grows from volume to
/// volume. Clocks count from the first volume: the hour of an examination is nobody's business.
pub(super) fn of(parts: &[SeparatePart]) -> Option<Vec<f64>> {
    if parts.len() < 2 {
        return None;
    }
    TIMES.iter().enumerate().find_map(|(at, (name, second))| {
        let key = DIMENSIONS.iter().position(|dimension| dimension.name == *name)?;
        let times = parts.iter().map(|part| earliest(part, key)).collect::<Option<Vec<f64>>>()?;
        let grows = times.windows(2).all(|pair| pair[0] < pair[1]);
        let start = if at + 1 == TIMES.len() { *times.first()? } else { 0.0 };
        grows.then(|| times.iter().map(|time| (time - start) * second).collect())
    })
}

/// The first of the times of a volume's slices, where all of them have one.
fn earliest(part: &SeparatePart, key: usize) -> Option<f64> {
    let number = |value: Option<&Value>| match value {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    let times = part.slices.iter().map(|slice| number(slice.traits.get(key)));
    times.collect::<Option<Vec<f64>>>()?.into_iter().min_by(f64::total_cmp)
}
