//! Coded streams, each with its checksum: in memory, or in a file that they are read from when they are needed.

use super::{ReadAt, put_whole, take_whole};
use crate::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Bytes that neighbouring streams are read in at a time, at most, but for a longer stream.
const MOST_AT_ONCE: u64 = 8 << 20;

/// Bytes of a table's entry, at least: a length and a checksum.
const LEAST_ENTRY: usize = 5;

/// Why a stream gives nothing.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It holds what no encoder writes; what is wrong.
    Damaged(String),
    /// Its bytes could not be read.
    Unread(io::Error),
}

impl Fault {
    /// The error of a section of a file.
    pub(crate) fn of(self, path: &Path, section: &str) -> Error {
        match self {
            Fault::Damaged(what) => Error::Section { path: path.to_owned(), section: section.into(), what },
            Fault::Unread(reason) => Error::io(path, reason),
        }
    }

    /// The error of streams that were coded here.
    #[cfg(feature = "train")]
    pub(crate) fn of_own(self) -> Error {
        self.of(Path::new("the new file"), "streams")
    }

    /// The same of a part of what was to be read.
    pub(crate) fn within(self, part: &str) -> Self {
        match self {
            Fault::Damaged(what) => Fault::Damaged(format!("{part}: {what}")),
            unread => unread,
        }
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Fault::Damaged(what.to_owned())
    }
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Fault::Damaged(what)
    }
}

/// Where a stream lies, and the CRC-32 of its bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u64,
    length: u32,
    checksum: u32,
}

impl Entry {
    /// Where streams begin whose bytes another process has.
    const ELSEWHERE: u64 = u64::MAX;

    fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.length))
    }
}

/// What other processes have to know of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamMeasures {
    pub(crate) length: u32,
    pub(crate) checksum: u32,
}

/// Takes streams as they are coded, and keeps where they lie and their checksums; their bytes go to a file.
pub(crate) struct StreamSpool {
    file: BufWriter<File>,
    entries: Vec<Entry>,
    end: u64,
}

impl StreamSpool {
    /// Into an empty file.
    pub(crate) fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), entries: Vec::new(), end: 0 }
    }

    /// The next stream.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn push(&mut self, stream: &[u8]) -> io::Result<()> {
        self.file.write_all(stream)?;
        let entry = Entry { start: self.end, length: stream.len() as u32, checksum: crc32fast::hash(stream) };
        self.end = entry.end();
        self.entries.push(entry);
        Ok(())
    }

    /// Lengths and checksums, in the order of [`Self::push`].
    pub(crate) fn measures(&self) -> impl Iterator<Item = StreamMeasures> {
        self.entries.iter().map(|entry| StreamMeasures { length: entry.length, checksum: entry.checksum })
    }

    /// Appends the bytes of the stream that was pushed as the `n`-th.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn read_back(&mut self, n: usize, out: &mut Vec<u8>) -> io::Result<()> {
        self.file.flush()?;
        let (entry, begin) = (self.entries[n], out.len());
        out.resize(begin + entry.length as usize, 0);
        self.file.get_ref().read_exact_at(&mut out[begin..], entry.start)
    }

    /// The streams, read from the file.
    ///
    /// # Errors
    /// When the last of them cannot be written.
    pub(crate) fn finish(self) -> io::Result<Streams> {
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        Ok(Streams { entries: self.entries, bytes: Arc::new(file), in_memory: false })
    }

    /// The same in the order of a file, which may have more streams: `all` says what they measure, and `pushed` as the how many-th
    /// each was pushed here. Those that were not cannot be read.
    ///
    /// # Errors
    /// As for [`Self::finish`].
    pub(crate) fn finish_among(
        self,
        all: &[StreamMeasures],
        pushed: &[Option<usize>],
    ) -> io::Result<Streams> {
        let place = |(of, pushed): (&StreamMeasures, &Option<usize>)| Entry {
            start: pushed.map_or(Entry::ELSEWHERE, |n| self.entries[n].start),
            length: of.length,
            checksum: of.checksum,
        };
        let entries = all.iter().zip(pushed).map(place).collect();
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        Ok(Streams { entries, bytes: Arc::new(file), in_memory: false })
    }
}

/// Streams, one behind the other.
#[derive(Clone)]
pub(crate) struct Streams {
    entries: Vec<Entry>,
    bytes: Arc<dyn ReadAt>,
    in_memory: bool,
}

impl Streams {
    /// Of an encoder.
    pub(crate) fn new(streams: Vec<Vec<u8>>) -> Self {
        let mut together = Vec::with_capacity(streams.iter().map(Vec::len).sum());
        let mut entries = Vec::with_capacity(streams.len());
        // Each is freed when it was taken over.
        for stream in streams {
            let (start, length) = (together.len() as u64, stream.len() as u32);
            entries.push(Entry { start, length, checksum: crc32fast::hash(&stream) });
            together.extend(stream);
        }
        Self { entries, bytes: Arc::new(together), in_memory: true }
    }

    /// Reads the table of `count` streams that lie in `data` of a file.
    ///
    /// # Errors
    /// A sentence, when the table is cut off or its streams do not fill `data`.
    pub(crate) fn parse(
        mut table: &[u8],
        count: usize,
        data: Range<u64>,
        bytes: Arc<dyn ReadAt>,
    ) -> Result<Self, String> {
        let ends = || format!("its table ends before its {count} streams");
        // No more of them than the table has bytes for.
        if count.checked_mul(LEAST_ENTRY).is_none_or(|least| least > table.len()) {
            return Err(ends());
        }
        let mut entries = Vec::with_capacity(count);
        let mut start = data.start;
        for _ in 0..count {
            let length = take_whole(&mut table).ok_or_else(ends)?;
            let (checksum, rest) = table.split_first_chunk().ok_or_else(ends)?;
            table = rest;
            let length = u32::try_from(length)
                .map_err(|_| format!("a stream of {length} bytes is longer than any"))?;
            let entry = Entry { start, length, checksum: u32::from_le_bytes(*checksum) };
            start = entry.end();
            entries.push(entry);
        }
        if !table.is_empty() {
            return Err(format!("{} bytes too many behind its table of {count} streams", table.len()));
        }
        if start != data.end {
            return Err(format!(
                "its streams have {} bytes, but there are {}",
                start - data.start,
                data.end - data.start
            ));
        }
        Ok(Self { entries, bytes, in_memory: false })
    }

    /// The same streams, whose bytes lie in this file, one behind the other.
    pub(crate) fn moved_to(&self, file: File) -> Self {
        let mut start = 0;
        let moved = |entry: &Entry| {
            let entry = Entry { start, ..*entry };
            start = entry.end();
            entry
        };
        let entries = self.entries.iter().map(moved).collect();
        Self { entries, bytes: Arc::new(file), in_memory: false }
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all streams.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.length as usize).sum()
    }

    /// Bytes of them in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        let streams = if self.in_memory { self.bytes() } else { 0 };
        streams + self.entries.len() * size_of::<Entry>()
    }

    /// Bytes of a stream.
    pub(crate) fn length(&self, stream: usize) -> usize {
        self.entries[stream].length as usize
    }

    /// Appends the table.
    pub(crate) fn put_table(&self, out: &mut Vec<u8>) {
        for entry in &self.entries {
            put_whole(out, u64::from(entry.length));
            out.extend(entry.checksum.to_le_bytes());
        }
    }

    /// Appends the streams' bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn put_data(&self, out: &mut Vec<u8>) -> io::Result<()> {
        out.reserve(self.bytes());
        self.write_data(out)
    }

    /// Writes the streams' bytes in their order, some megabytes at a time.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub(crate) fn write_data(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut rest = &self.entries[..];
        while let Some(first) = rest.first() {
            let run = rest.windows(2).take_while(|two| two[0].end() == two[1].start).count() + 1;
            let (of_run, others) = rest.split_at(run);
            rest = others;
            let (mut at, end) = (first.start, of_run[run - 1].end());
            while at < end {
                let part = MOST_AT_ONCE.min(end - at);
                bytes.resize(part as usize, 0);
                self.bytes.read_exact_at(&mut bytes, at)?;
                out.write_all(&bytes)?;
                at += part;
            }
        }
        Ok(())
    }

    /// One stream.
    ///
    /// # Errors
    /// When it cannot be read, or its checksum does not agree.
    pub(crate) fn read(&self, stream: usize) -> Result<Vec<u8>, Fault> {
        let mut found = None;
        self.read_each(&[stream], |_, bytes| found = Some(bytes.map(<[u8]>::to_vec)))?;
        found.expect("one was asked for")
    }

    /// Calls `each` with every one of these streams, which are in ascending order, and its bytes; those that lie beside each other
    /// are read together.
    ///
    /// # Errors
    /// When they cannot be read. A stream whose checksum does not agree is the caller's to judge.
    pub(crate) fn read_each(
        &self,
        streams: &[usize],
        mut each: impl FnMut(usize, Result<&[u8], Fault>),
    ) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        let mut rest = streams;
        while let Some(&first) = rest.first() {
            let start = self.entries[first].start;
            if start == Entry::ELSEWHERE {
                return Err(format!("another process has stream {first}").into());
            }
            let mut count = 1;
            // Without a gap, or the one that was asked for twice.
            while let Some(&next) = rest.get(count)
                && self.entries[next].start == self.entries[rest[count - 1]].end()
                && self.entries[next].end() - start <= MOST_AT_ONCE
            {
                count += 1;
            }
            let (run, others) = rest.split_at(count);
            rest = others;
            let end = self.entries[run[count - 1]].end();
            bytes.resize((end - start) as usize, 0);
            self.bytes.read_exact_at(&mut bytes, start).map_err(Fault::Unread)?;
            for &stream in run {
                let entry = self.entries[stream];
                let own = &bytes[(entry.start - start) as usize..(entry.end() - start) as usize];
                let agrees = crc32fast::hash(own) == entry.checksum;
                let damaged = || Fault::Damaged("checksum mismatch: its bytes are damaged".into());
                each(stream, if agrees { Ok(own) } else { Err(damaged()) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Memory that remembers what was read.
    struct Watched(Vec<u8>, Mutex<Vec<(u64, usize)>>);

    impl ReadAt for Arc<Watched> {
        fn length(&self) -> io::Result<u64> {
            self.0.length()
        }
        fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
            self.1.lock().unwrap().push((offset, out.len()));
            self.0.read_exact_at(out, offset)
        }
    }

    #[test]
    fn neighbours_are_read_together_and_damage_stays_where_it_is() {
        let coded: Vec<Vec<u8>> = (0..6u8).map(|n| vec![n; 10 * usize::from(n)]).collect();
        let own = Streams::new(coded.clone());
        let (mut table, mut file) = (Vec::new(), vec![99; 7]);
        own.put_table(&mut table);
        own.put_data(&mut file).unwrap();
        assert_eq!((own.len(), own.bytes(), table.len(), file.len()), (6, 150, 30, 157));
        let source = |bytes: Vec<u8>| Arc::new(Watched(bytes, Mutex::default()));
        let watched = source(file.clone());
        let streams = Streams::parse(&table, 6, 7..157, Arc::new(watched.clone())).unwrap();
        let mut found = Vec::new();
        streams.read_each(&[0, 1, 2, 4, 5], |n, bytes| found.push((n, bytes.unwrap().to_vec()))).unwrap();
        assert!(found.iter().all(|(n, bytes)| *bytes == coded[*n]) && found.len() == 5);
        assert_eq!(*watched.1.lock().unwrap(), [(7, 30), (67, 90)]);
        assert_eq!(streams.read(3).unwrap(), coded[3]);
        file[7 + 40] ^= 1;
        let streams = Streams::parse(&table, 6, 7..157, Arc::new(source(file))).unwrap();
        assert!(matches!(streams.read(3), Err(Fault::Damaged(_))));
        assert!([0, 1, 2, 4, 5].into_iter().all(|n| streams.read(n).unwrap() == coded[n]));
        for (count, data) in [(5, 7..157), (6, 7..156), (6, 7..158)] {
            assert!(Streams::parse(&table, count, data, Arc::new(Vec::new())).is_err());
        }
    }
}
