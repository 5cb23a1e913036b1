//! Streams that are coded by several processes.

use super::Group;
use crate::error::{Error, Result};
use crate::storage::{StreamMeasures, StreamSpool, Streams};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// Bytes that the first process is sent at a time, by all of the others together.
const AT_ONCE: usize = 64 << 20;
/// Bytes of an entry of the table that processes exchange: the stream's number, its length and its checksum.
const ENTRY: usize = 16;

/// The streams that a process codes, into a file of its own.
pub(crate) struct StreamsOfShare {
    spool: StreamSpool,
    /// Their numbers among those of the whole file.
    numbers: Vec<usize>,
}

impl StreamsOfShare {
    /// Into an empty file.
    pub(crate) fn new(file: File) -> Self {
        Self { spool: StreamSpool::new(file), numbers: Vec::new() }
    }

    /// Adds a stream. They may come in any order.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn push(&mut self, number: usize, stream: &[u8]) -> Result<()> {
        self.spool.push(stream).map_err(Error::temporary)?;
        self.numbers.push(number);
        Ok(())
    }

    /// All `count` streams of the file, when every one was coded by some process: their lengths, and the bytes of those that this
    /// process coded or `needs`, which says by rank who needs whose bytes.
    ///
    /// # Errors
    /// When a file cannot be written, or another process failed.
    pub(crate) fn finish(
        mut self,
        count: usize,
        group: &Group<'_>,
        needs: impl Fn(usize, usize) -> bool,
    ) -> Result<Streams> {
        if group.size() == 1 && self.numbers.iter().copied().eq(0..count) {
            return self.spool.finish().map_err(Error::temporary);
        }
        let mut table = Vec::with_capacity(ENTRY * self.numbers.len());
        for (&number, measures) in self.numbers.iter().zip(self.spool.measures()) {
            table.extend((number as u64).to_le_bytes());
            table.extend(measures.length.to_le_bytes());
            table.extend(measures.checksum.to_le_bytes());
        }
        let tables: Vec<Vec<(usize, StreamMeasures)>> =
            group.all_gather(table)?.iter().map(|table| read(table)).collect();
        let mut all = vec![None; count];
        for &(number, measures) in tables.iter().flatten() {
            *all.get_mut(number).ok_or_else(|| strange(number))? = Some(measures);
        }
        let mut messages = vec![Vec::new(); group.size()];
        for (rank, message) in messages.iter_mut().enumerate().filter(|(rank, _)| *rank != group.rank()) {
            for (n, _) in self.numbers.iter().enumerate().filter(|(_, number)| needs(rank, **number)) {
                self.spool.read_back(n, message).map_err(Error::temporary)?;
            }
        }
        let mut pushed = vec![None; count];
        self.numbers.iter().enumerate().for_each(|(n, &number)| pushed[number] = Some(n));
        let mut next = self.numbers.len();
        for (rank, message) in
            group.exchange(messages)?.iter().enumerate().filter(|(rank, _)| *rank != group.rank())
        {
            let mut rest = &message[..];
            for &(number, measures) in tables[rank].iter().filter(|(number, _)| needs(group.rank(), *number))
            {
                let stream = rest.split_off(..measures.length as usize).ok_or_else(|| strange(number))?;
                self.spool.push(stream).map_err(Error::temporary)?;
                pushed[number] = Some(next);
                next += 1;
            }
        }
        let missing = all.iter().position(Option::is_none);
        missing.map_or(Ok(()), |number| Err(strange(number)))?;
        let all: Vec<StreamMeasures> = all.into_iter().flatten().collect();
        self.spool.finish_among(&all, &pushed).map_err(Error::temporary)
    }
}

/// What no process sends.
fn strange(number: usize) -> Error {
    Error::Options(format!("the processes disagree about stream {number}: they run different programs"))
}

fn read(table: &[u8]) -> Vec<(usize, StreamMeasures)> {
    let (entries, _) = table.as_chunks::<ENTRY>();
    let number = |entry: &[u8; ENTRY], at: usize| u32::from_le_bytes(std::array::from_fn(|n| entry[at + n]));
    let entry = |entry: &[u8; ENTRY]| {
        let measures = StreamMeasures { length: number(entry, 8), checksum: number(entry, 12) };
        (u64::from_le_bytes(std::array::from_fn(|n| entry[n])) as usize, measures)
    };
    entries.iter().map(entry).collect()
}

/// Brings the bytes of all streams together on the first process, in `file`; `owner` says who coded which. The others' streams stay as
/// they are.
///
/// # Errors
/// As for [`StreamsOfShare::finish`].
pub(crate) fn gather(
    streams: &Streams,
    file: impl FnOnce() -> Result<File>,
    group: &Group<'_>,
    owner: impl Fn(usize) -> usize,
) -> Result<Streams> {
    if group.size() == 1 {
        return Ok(streams.clone());
    }
    let most = (AT_ONCE / group.size()).max(1 << 20);
    // Every process' streams, in messages.
    let mut messages: Vec<Vec<Vec<usize>>> = vec![Vec::new(); group.size()];
    let mut filled = vec![usize::MAX; group.size()];
    let mut starts = Vec::with_capacity(streams.len());
    let mut end = 0u64;
    for stream in 0..streams.len() {
        let (rank, length) = (owner(stream), streams.length(stream));
        if filled[rank].saturating_add(length) > most {
            messages[rank].push(Vec::new());
            filled[rank] = 0;
        }
        filled[rank] += length;
        messages[rank].last_mut().expect("one was begun").push(stream);
        starts.push(end);
        end += length as u64;
    }
    let mut file = if group.is_first() { Some(file()?) } else { None };
    for round in 0..messages.iter().map(Vec::len).max().unwrap_or(0) {
        let mut sent = vec![Vec::new(); group.size()];
        for &stream in messages[group.rank()].get(round).into_iter().flatten() {
            sent[0].extend(streams.read(stream).map_err(crate::storage::Fault::of_own)?);
        }
        let received = group.exchange(sent)?;
        let Some(file) = &mut file else { continue };
        for (of, bytes) in messages.iter().zip(&received) {
            let mut rest = &bytes[..];
            for &stream in of.get(round).into_iter().flatten() {
                let bytes = rest.split_off(..streams.length(stream)).ok_or_else(|| strange(stream))?;
                file.seek(SeekFrom::Start(starts[stream]))
                    .and_then(|_| file.write_all(bytes))
                    .map_err(Error::temporary)?;
            }
        }
    }
    Ok(file.map_or_else(|| streams.clone(), |file| streams.moved_to(file)))
}
