//! Ctrl-C: asks the work to stop at the next point where nothing is half-written.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C is a request.
pub(super) fn listen() {
    let result = ctrlc::set_handler(|| {
        ASKED.store(true, Ordering::SeqCst);
    });
    if let Err(e) = result {
        log::warn!("Ctrl-C will end the command at once: {e}");
    }
}

/// An error once Ctrl-C was pressed: asked before a file is written, which then goes on to its end.
pub(super) fn check() -> neuvol::Result<()> {
    if asked() { Err(neuvol::Error::Interrupted) } else { Ok(()) }
}

/// True once Ctrl-C was pressed.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
