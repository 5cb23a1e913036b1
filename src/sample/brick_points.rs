//! Scattered points of a volume whose samples come in bricks.

use super::NeuralVolume;
use super::brick_cursor::BrickCursor;
use super::bricks::BrickReader;
use super::cell::Cell;
use super::mask::{MaskCursor, MaskReader};
use super::point::{Outside, Place, PointSample, Want};
use crate::engine::Install;
use crate::error::Result;
use crate::volume::WorldToIndex;
use rayon::prelude::*;

/// Points that are sorted by one task: what they take stays in a core's cache.
const POINTS_A_SHARE: usize = 1 << 14;

/// Points that one task evaluates, or a few more: all of a brick's, as a rule, since two tasks of one brick may both decode it.
const POINTS_A_TASK: usize = 1 << 15;

/// Points that are sorted together at most, but for a share of a large volume's voxels: every brick may be decoded once for
/// each such batch.
const BATCH: usize = 1 << 22;
const VOXELS_A_POINT: usize = 16;
/// Numbers of points fit 32 bits.
const MOST: usize = 1 << 30;

/// What is asked of points, and what is made of a sample.
pub(super) struct Question<'a, F> {
    pub(super) to_index: Option<&'a WorldToIndex>,
    pub(super) outside: Outside,
    pub(super) want: Want,
    pub(super) answer: F,
}

/// Points that were next to each other, sorted by brick.
struct PointShare<T> {
    /// Their numbers in the share.
    numbers: Vec<u32>,
    /// In index coordinates.
    places: Vec<[f64; 3]>,
    answers: Vec<T>,
    /// By brick, where its points end.
    ends: Vec<u32>,
}

/// Points of one brick in one share, and their answers.
type Asked<'a, T> = (&'a [[f64; 3]], &'a mut [T]);

/// Parts of one brick, as many to a task as it takes for [`POINTS_A_TASK`] points.
fn in_tasks<'p, 'a, T>(parts: &'p mut [Asked<'a, T>]) -> impl Iterator<Item = &'p mut [Asked<'a, T>]> {
    let mut count = 0;
    parts.chunk_by_mut(move |(places, _), _| {
        count += places.len();
        let goes_on = count < POINTS_A_TASK;
        if !goes_on {
            count = 0;
        }
        goes_on
    })
}

impl NeuralVolume {
    /// Points brick by brick, whatever order they come in: a brick is decoded for all of its points at once.
    pub(super) fn probe_bricks<T: Copy + Default + Send>(
        &self,
        bricks: &BrickReader,
        points: &[[f64; 3]],
        question: &Question<'_, impl Fn(PointSample) -> T + Sync>,
        out: &mut [T],
    ) -> Result<()> {
        // A point near the last one: nothing is sorted, and nothing is allocated.
        if let [point] = points {
            let index = question.to_index.map_or(*point, |map| map.apply(*point));
            if bricks.keeps(self.place(index).index) {
                return self.probe_parts(bricks, question, &mut [(&[index], out)]);
            }
        }
        self.check_room(bricks.bytes_to_begin())?;
        if points.len() < bricks.count().min(POINTS_A_SHARE) {
            return self.probe_few(bricks, points, question, out);
        }
        let batch = (self.description.shape.iter().product::<usize>() / VOXELS_A_POINT).clamp(BATCH, MOST);
        self.engine.install(|| {
            let mut batches = points.chunks(batch).zip(out.chunks_mut(batch));
            batches.try_for_each(|(points, out)| self.probe_batch(bricks, points, question, out))
        })
    }

    /// Fewer points than bricks: they are sorted without a list of these, and stay on this thread where what they need is at
    /// hand. What asks for a point or ten at a time, as streamlines do, pays for those alone.
    fn probe_few<T: Copy + Default + Send>(
        &self,
        bricks: &BrickReader,
        points: &[[f64; 3]],
        question: &Question<'_, impl Fn(PointSample) -> T + Sync>,
        out: &mut [T],
    ) -> Result<()> {
        let index = |point: &[f64; 3]| question.to_index.map_or(*point, |map| map.apply(*point));
        let brick = |place: &[f64; 3]| bricks.containing(self.place(*place).index);
        let mut placed: Vec<(usize, [f64; 3])> = points.iter().map(index).enumerate().collect();
        placed.sort_by_cached_key(|(_, place)| brick(place));
        let places: Vec<[f64; 3]> = placed.iter().map(|(_, place)| *place).collect();
        let mut answers = vec![T::default(); points.len()];
        let mut parts: Vec<Asked<'_, T>> = Vec::new();
        let mut rest = &mut answers[..];
        for places in places.chunk_by(|a, b| brick(a) == brick(b)) {
            let (of_brick, others) = rest.split_at_mut(places.len());
            rest = others;
            parts.push((places, of_brick));
        }
        if places.iter().all(|place| bricks.keeps(self.place(*place).index)) {
            self.probe_parts(bricks, question, &mut parts)?;
        } else {
            self.engine.install(|| {
                let probe = |part| self.probe_parts(bricks, question, std::slice::from_mut(part));
                parts.par_iter_mut().try_for_each(probe)
            })?;
        }
        placed.iter().zip(answers).for_each(|((number, _), answer)| out[*number] = answer);
        Ok(())
    }

    fn probe_batch<T: Copy + Default + Send>(
        &self,
        bricks: &BrickReader,
        points: &[[f64; 3]],
        question: &Question<'_, impl Fn(PointSample) -> T + Sync>,
        out: &mut [T],
    ) -> Result<()> {
        let share = POINTS_A_SHARE.max(bricks.count());
        let mut shares: Vec<PointShare<T>> =
            points.par_chunks(share).map(|points| self.sort(bricks, points, question.to_index)).collect();
        let mut parts: Vec<Vec<Asked<'_, T>>> = (0..bricks.count()).map(|_| Vec::new()).collect();
        for PointShare { places, answers, ends, .. } in &mut shares {
            let (mut places, mut answers, mut begin) = (&places[..], &mut answers[..], 0);
            for (parts, &end) in parts.iter_mut().zip(&*ends) {
                let count = (end - begin) as usize;
                begin = end;
                if count > 0 {
                    let (of_brick, others) = std::mem::take(&mut answers).split_at_mut(count);
                    parts.push((&places[..count], of_brick));
                    (places, answers) = (&places[count..], others);
                }
            }
        }
        let tasks: Vec<&mut [Asked<'_, T>]> = parts.iter_mut().flat_map(|parts| in_tasks(parts)).collect();
        tasks.into_par_iter().try_for_each(|parts| self.probe_parts(bricks, question, parts))?;
        out.par_chunks_mut(share).zip(shares).for_each(|(out, share)| {
            for (number, answer) in share.numbers.into_iter().zip(share.answers) {
                out[number as usize] = answer;
            }
        });
        Ok(())
    }

    /// Sorts points by brick, in it as they came.
    fn sort<T: Copy + Default>(
        &self,
        bricks: &BrickReader,
        points: &[[f64; 3]],
        to_index: Option<&WorldToIndex>,
    ) -> PointShare<T> {
        let places: Vec<[f64; 3]> =
            points.iter().map(|point| to_index.map_or(*point, |map| map.apply(*point))).collect();
        let bricks_of: Vec<u32> =
            places.iter().map(|place| bricks.containing(self.place(*place).index) as u32).collect();
        let mut ends = vec![0u32; bricks.count()];
        bricks_of.iter().for_each(|&brick| ends[brick as usize] += 1);
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        // Each is now where its brick begins, and becomes where it ends.
        let mut share = PointShare {
            numbers: vec![0; points.len()],
            places: vec![[0.0; 3]; points.len()],
            answers: vec![T::default(); points.len()],
            ends,
        };
        for (number, (brick, place)) in bricks_of.into_iter().zip(places).enumerate() {
            let end = &mut share.ends[brick as usize];
            share.numbers[*end as usize] = number as u32;
            share.places[*end as usize] = place;
            *end += 1;
        }
        share
    }

    /// Points in index coordinates, of one brick.
    fn probe_parts<T>(
        &self,
        bricks: &BrickReader,
        question: &Question<'_, impl Fn(PointSample) -> T>,
        parts: &mut [Asked<'_, T>],
    ) -> Result<()> {
        let mut mask = self.mask.as_ref().map(MaskReader::cursor);
        let mut cursor = BrickCursor::new(bricks, self.mask.as_ref());
        for (places, answers) in parts {
            for (place, answer) in places.iter().zip(&mut **answers) {
                let place = self.place(*place);
                let Question { outside, want, .. } = *question;
                let mut sample = self.point_of_bricks(&place, outside, want, mask.as_mut(), &mut cursor)?;
                if let (Want::Gradients, Some(map)) = (want, question.to_index) {
                    sample.gradient = map.gradient(sample.gradient);
                }
                *answer = (question.answer)(sample);
            }
        }
        Ok(())
    }

    /// Value, gradient by the index, where it is asked for, and validity at a place: the voxel, or trilinear between voxels.
    fn point_of_bricks(
        &self,
        place: &Place,
        outside: Outside,
        want: Want,
        mut mask: Option<&mut MaskCursor<'_>>,
        bricks: &mut BrickCursor<'_>,
    ) -> Result<PointSample> {
        if let Some(invalid) = self.invalid_point(place, outside, mask.as_deref_mut())? {
            return Ok(invalid);
        }
        let section = self.bricks.as_ref().map_or("", BrickReader::section);
        let damaged = |fault| self.fault(section, fault);
        let cell = Cell::around(place.index, self.description.shape);
        let corners = bricks.corners(&cell, place, mask).map_err(damaged)?;
        Ok(PointSample {
            value: match want != Want::Unrounded && place.at_a_voxel() {
                true => bricks.voxel(place.nearest(), cell.lower).map_err(damaged)?,
                false => cell.value(&corners),
            },
            gradient: match want {
                Want::Gradients if place.inside => place.held(cell.gradient(&corners)),
                _ => [0.0; 3],
            },
            valid: place.inside,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_a_brick_or_so_many_of_its_points() {
        let places = vec![[0.0; 3]; POINTS_A_TASK];
        for (sizes, expected) in [
            (vec![100; 50], vec![50]),
            (vec![POINTS_A_TASK / 4; 9], vec![4, 4, 1]),
            (vec![POINTS_A_TASK, 1, POINTS_A_TASK - 1, 7], vec![1, 2, 1]),
            (vec![], vec![]),
        ] {
            let mut answers: Vec<Vec<f32>> = sizes.iter().map(|&n| vec![0.0; n]).collect();
            let mut parts: Vec<Asked<'_, f32>> =
                answers.iter_mut().map(|answers| (&places[..answers.len()], &mut answers[..])).collect();
            let tasks: Vec<usize> = in_tasks(&mut parts).map(|task| task.len()).collect();
            assert_eq!(tasks, expected);
        }
    }
}
