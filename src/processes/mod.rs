//! Several processes that make one file together: each holds a part of the volume and codes its share of the blocks.
//!
//! All processes run the same program on the same figures, and so come to the same decisions; what differs is whose blocks they
//! read, code and measure. Between such stretches of work they exchange what the others need, all in the same order. A process
//! that fails says so in the exchange that the others wait in, so that all end.

mod communicator;
mod group;
mod pieces;
mod shared_streams;
mod shares;

pub use communicator::Communicator;
pub(crate) use group::Group;
pub use pieces::Piece;
pub(crate) use pieces::SharedVolume;
pub(crate) use shared_streams::{StreamsOfShare, gather};
pub(crate) use shares::Shares;
