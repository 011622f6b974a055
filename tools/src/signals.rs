//! SIGINT and SIGTERM: a run drains, a second one ends it at once with its journal sealed, a third ends the
//! process; everything else ends at once, with exit code 1. SIGUSR1 halts trading. SIGBUS ends the process
//! with a message.

use engine::Problem;
use engine::runtime::controls::Controls;
use engine::runtime::signal::install_sigbus;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag::{register, register_conditional_shutdown, register_usize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use sync::Trading;

/// Installs the handlers before anything else is done; returns the handle that a run watches.
pub fn install(drains: bool) -> Result<Arc<Controls>, Problem> {
    let controls = Arc::<Controls>::default();
    controls.abort.store(!drains, Ordering::Relaxed);
    install_sigbus()?;
    let on = |signal, flag: &Arc<AtomicBool>| register(signal, Arc::clone(flag));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, 1, Arc::clone(&controls.abort))
            .and_then(|_| on(signal, &controls.stop))
            .and_then(|_| on(signal, &controls.interrupt))
            .map_err(|error| refused(&error))?;
    }
    if drains {
        let word = controls.kill.operator_word();
        register_usize(SIGUSR1, word, Trading::Halted as usize).map_err(|error| refused(&error))?;
    }
    Ok(controls)
}

fn refused(error: &std::io::Error) -> Problem {
    Problem::new(format!("cannot handle signals: {error}"), "the process", "")
}
