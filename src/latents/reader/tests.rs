use super::super::{LatentEncoder, Rate};
use super::*;

#[test]
fn a_coarse_level_is_the_same_whether_or_not_the_whole_root_is_decoded() {
    for shape in [[60, 50, 40], [200, 30, 20], [7, 5, 3]] {
        let value = |i: usize| (i as f32 * 0.013).sin() + (i % 37) as f32 * 0.02;
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        let streams =
            LatentEncoder::new(values, shape).encode(Rate { step: 0.05, focus: 0.05, lambda: 0.07 });
        let levels = streams.grid.pyramid().levels().len();
        let (fresh, whole) =
            (LatentReader::new(streams.clone(), usize::MAX), LatentReader::new(streams, usize::MAX));
        whole.window(Window::whole(shape)).unwrap();
        for level in fresh.first_of_root() + 1..=levels {
            let window = [Window::whole(fresh.streams.grid.pyramid().shape_after(level))];
            assert!(
                fresh.level_windows(level, &window).unwrap() == whole.level_windows(level, &window).unwrap()
            );
            assert!(fresh.top.get().is_none() && whole.coarse.get().is_none(), "{shape:?} {level}");
        }
    }
}
