//! A data set as the walk over a file leaves it: elements by their tags, values as ranges of the file's bytes.

use dicom_core::Tag;
use std::ops::Range;

/// Elements by their tags; of several with one tag the last counts.
#[derive(Debug, Default)]
pub(super) struct DataSet(Vec<(Tag, Content)>);

/// What an element holds.
#[derive(Debug)]
pub(super) enum Content {
    /// A value of a representation (`DS`; `UN` where the file does not say it), at these bytes of the file.
    Value { representation: [u8; 2], bytes: Range<usize> },
    /// The items of a sequence.
    Items(Vec<DataSet>),
}

impl DataSet {
    /// Puts an element behind the others; [`Self::finish`] has to follow before any is asked for.
    pub(super) fn push(&mut self, tag: Tag, content: Content) {
        self.0.push((tag, content));
    }

    /// Brings the elements into the order that [`Self::get`] searches. A sound file has them in it already.
    pub(super) fn finish(&mut self) {
        if !self.0.is_sorted_by_key(|(tag, _)| *tag) {
            self.0.sort_by_key(|(tag, _)| *tag);
        }
        self.0.shrink_to_fit();
    }

    pub(super) fn get(&self, tag: Tag) -> Option<&Content> {
        let end = self.0.partition_point(|(other, _)| *other <= tag);
        self.0.get(..end)?.last().filter(|(other, _)| *other == tag).map(|(_, content)| content)
    }

    /// All elements, by their tags.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Tag, &Content)> {
        self.0.iter().map(|(tag, content)| (tag, content))
    }

    /// The items of a sequence.
    pub(super) fn items(&self, tag: Tag) -> Option<&[DataSet]> {
        match self.get(tag)? {
            Content::Items(items) => Some(items),
            Content::Value { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_tag_counts_in_whatever_order_they_come() {
        let value = |at: usize| Content::Value { representation: *b"LO", bytes: at..at + 1 };
        let mut set = DataSet::default();
        for (element, at) in [(5, 0), (3, 1), (5, 2), (4, 3)] {
            set.push(Tag(8, element), value(at));
        }
        set.finish();
        let at = |element| match set.get(Tag(8, element)) {
            Some(Content::Value { bytes, .. }) => Some(bytes.start),
            _ => None,
        };
        assert_eq!([3, 4, 5, 6].map(at), [Some(1), Some(3), Some(2), None]);
    }
}
