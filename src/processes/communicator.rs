use crate::error::Result;

/// How processes reach each other: MPI, VTK's controllers, threads with channels. Each process has a rank, 0 to `size` less one.
///
/// All processes call the same functions in the same order, each from the one thread that it compresses on.
pub trait Communicator {
    /// This process' rank.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn size(&self) -> usize;

    /// Gives every process the bytes of all of them, by rank. They may be of different lengths.
    ///
    /// # Errors
    /// When a process cannot be reached.
    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Sends to every process, by rank, its bytes, and gives what came from each of them, by rank.
    ///
    /// # Errors
    /// When a process cannot be reached.
    fn exchange(&self, bytes: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>>;
}
