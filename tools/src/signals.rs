//! SIGINT and SIGTERM: a run drains; everything else ends at once, with exit code 1.

use engine::Problem;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Installs the handlers before anything else is done; returns the flag that a run watches. A second SIGINT
/// ends a run at once.
pub fn install(drains: bool) -> Result<Arc<AtomicBool>, Problem> {
    let stop = Arc::new(AtomicBool::new(!drains));
    register_conditional_shutdown(SIGINT, 1, Arc::clone(&stop))
        .and_then(|_| register_conditional_shutdown(SIGTERM, 1, Arc::clone(&stop)))
        .and_then(|_| register(SIGINT, Arc::clone(&stop)))
        .and_then(|_| register(SIGTERM, Arc::clone(&stop)))
        .map_err(|error| Problem::new(format!("cannot handle signals: {error}"), "", ""))?;
    Ok(stop)
}
