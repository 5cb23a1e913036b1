//! A part of other bytes, such as a volume's in a file of several.

use super::ReadAt;
use std::io;
use std::sync::Arc;

/// `length` bytes from `start` on.
pub(crate) struct ByteWindow {
    bytes: Arc<dyn ReadAt>,
    start: u64,
    length: u64,
}

impl ByteWindow {
    pub(crate) fn new(bytes: Arc<dyn ReadAt>, start: u64, length: u64) -> Self {
        Self { bytes, start, length }
    }
}

impl ReadAt for ByteWindow {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        let inside = offset.checked_add(out.len() as u64).is_some_and(|end| end <= self.length);
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes.read_exact_at(out, self.start + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_window_is_read() {
        let bytes: Arc<dyn ReadAt> = Arc::new((0..100u8).collect::<Vec<u8>>());
        let window = ByteWindow::new(bytes, 30, 20);
        let mut out = [0; 5];
        window.read_exact_at(&mut out, 15).unwrap();
        assert_eq!((window.length().unwrap(), out), (20, [45, 46, 47, 48, 49]));
        for offset in [16, 20, u64::MAX] {
            assert!(window.read_exact_at(&mut out, offset).is_err(), "{offset}");
        }
    }
}
