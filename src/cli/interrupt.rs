//! Ctrl-C: asks the work to stop; a second one ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C is a request.
pub(super) fn listen() {
    let result = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    if let Err(e) = result {
        log::warn!("Ctrl-C will end the command at once: {e}");
    }
}

/// True once Ctrl-C was pressed.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
