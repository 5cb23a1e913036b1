//! The fields of microscopes' own, and how many of their bytes are read.

/// Zeiss: CZ_LSMINFO.
pub(super) const CZ_LSMINFO: u16 = 34412;
/// MetaMorph: UIC2Tag.
pub(super) const UIC2: u16 = 33629;

/// Bytes of CZ_LSMINFO that are looked at: up to the scan type.
pub(super) const LSM_BYTES: u64 = 90;
/// Bytes that UIC2Tag has for each plane.
pub(super) const UIC2_BYTES: u64 = 24;
