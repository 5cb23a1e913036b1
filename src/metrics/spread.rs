//! A part that stands for the whole: numbers spread evenly over a range, without its rhythm.

use crate::engine::hash;

/// At most `most` of the numbers below `count`, ascending: one of each of as many equal stretches, at a place in it that
/// follows from the stretch's number. Every n-th number would see one column of a grid and not the next.
pub(super) fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let stretches = count.min(most);
    (0..stretches).map(move |n| {
        let start = |n: usize| (n as u128 * count as u128 / stretches as u128) as usize;
        let (first, length) = (start(n), start(n + 1) - start(n));
        first + (hash(n as u64) % length.max(1) as u64) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn few_numbers_are_all_taken_and_many_are_spread() {
        assert!(spread(5, 8).eq(0..5));
        assert_eq!(spread(0, 8).count(), 0);
        let some: Vec<usize> = spread(1000, 10).collect();
        assert!(some.iter().enumerate().all(|(n, &at)| (100 * n..100 * (n + 1)).contains(&at)), "{some:?}");
        assert!(some.iter().any(|at| at % 100 != some[0] % 100), "{some:?}");
    }
}
