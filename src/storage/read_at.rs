//! Bytes at any place of a file, or of what stands for one.

use std::fs::File;
use std::io;
use std::sync::Arc;

/// Bytes that can be read at any place, by many threads at a time: a file, memory, or the caller's own, such as a range request
/// over HTTP or an object in a store. An open volume reads its index when it is opened, and then the blocks that it needs, those
/// that lie beside each other in one call.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    ///
    /// # Errors
    /// What the bytes' source says.
    fn length(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// What the bytes' source says; `UnexpectedEof` where they end before `out` is full.
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, out, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !out.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, out, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    out = &mut out[count..];
                    offset += count as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// The bytes of a slice from `offset` on.
fn copy(bytes: &[u8], out: &mut [u8], offset: u64) -> io::Result<()> {
    let found = usize::try_from(offset)
        .ok()
        .and_then(|start| bytes.get(start..start.checked_add(out.len())?))
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    out.copy_from_slice(found);
    Ok(())
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        copy(self, out, offset)
    }
}

impl ReadAt for Arc<[u8]> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        copy(self, out, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_and_memory_give_the_same() {
        let bytes: Vec<u8> = (0..200).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let shared: Arc<[u8]> = bytes.clone().into();
        for source in [&file as &dyn ReadAt, &bytes, &shared] {
            assert_eq!(source.length().unwrap(), 200);
            let mut out = [0; 20];
            source.read_exact_at(&mut out, 180).unwrap();
            assert_eq!(out[..], bytes[180..]);
            for beyond in [181, 200, 1 << 40, u64::MAX] {
                let error = source.read_exact_at(&mut out, beyond).unwrap_err();
                // An offset that no file has is refused by the operating system in its own words.
                assert!(error.kind() == io::ErrorKind::UnexpectedEof || beyond == u64::MAX, "{error:?}");
            }
        }
    }
}
