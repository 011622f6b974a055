//! SIGINT and SIGTERM: a run drains, a second one ends it at once with its journal sealed, a third ends the
//! process; every other command ends at once, with exit code 1. SIGUSR1 halts trading. SIGBUS ends the process with
//! a message.

use engine::Problem;
use engine::runtime::controls::Controls;
use engine::runtime::signal::{install_interrupts, install_sigbus};
use signal_hook::consts::SIGUSR1;
use signal_hook::flag::register_usize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use sync::Trading;

/// Installs the handlers before anything else is done; returns the handle that a run watches.
pub fn install(drains: bool) -> Result<Arc<Controls>, Problem> {
    let controls = Arc::<Controls>::default();
    controls.abort.store(!drains, Ordering::SeqCst);
    install_sigbus()?;
    install_interrupts(&controls)?;
    // A command that trades nothing takes it too, and goes on.
    register_usize(SIGUSR1, controls.kill.operator_word(), Trading::Halted as usize)
        .map_err(|error| Problem::new(format!("cannot handle SIGUSR1: {error}"), "", ""))?;
    Ok(controls)
}
