//! `journal follow`: frames of a journal as its writer makes them durable, in a process of its own.
//!
//! The writer does not know of it. With a name it stores how far it came, goes on from there the next time, and
//! retention waits for it.

use crate::cli::Follow;
use crate::journal_command::{kind_of, show};
use crate::say::{Exit, Say, aside, stdout_is_broken, stdout_is_gone};
use engine::Problem;
use engine::runtime::controls::Controls;
use journal::{Follower, Position, Until, followers};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long it sleeps where there is nothing new: the writer syncs every 10 ms.
const NAP: Duration = Duration::from_millis(10);
/// How often it stores its position.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// `journal follow DIR`
pub fn follow(arguments: &Follow, say: Say, controls: &Controls) -> Result<Exit, Problem> {
    let dir = &arguments.dir;
    if arguments.forget {
        return forget(arguments);
    }
    let kind = arguments.kind.as_deref().map(kind_of).transpose()?;
    let name = arguments.name.as_deref();
    let stored = name
        .map(|name| followers::stored(dir, name))
        .transpose()
        .map_err(|e| Problem::from_journal(&e))?;
    let mut follower = Follower::open(dir, stored.flatten(), Until::Durable)
        .map_err(|e| Problem::from_journal(&e))?;
    let mut place = Place { arguments, stored: stored.flatten(), at: Instant::now() };
    // At once, so that retention waits for it from now on.
    place.store(follower.position())?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let stopped = || controls.stop.load(Relaxed) || controls.abort.load(Relaxed);
    while left > 0 && !stopped() && !stdout_is_gone() {
        match follower.next().map_err(|e| Problem::from_journal(&e))? {
            Some(frame) if kind.is_none_or(|kind| kind == frame.kind()) => {
                show(&frame, say);
                left -= 1;
            }
            Some(_) => {}
            None if arguments.once => break,
            None => std::thread::sleep(NAP),
        }
        if place.at.elapsed() >= STORE_EVERY {
            place.store(follower.position())?;
        }
    }
    place.store(follower.position())?;
    aside(&format!("followed up to sequence {}", follower.position().seq));
    Ok(Exit::Done)
}

/// Where a named follower's position is kept.
struct Place<'a> {
    arguments: &'a Follow,
    stored: Option<Position>,
    at: Instant,
}

impl Place<'_> {
    /// Stores a position once everything before it has left: never ahead of what was printed.
    fn store(&mut self, position: Position) -> Result<(), Problem> {
        self.at = Instant::now();
        let Some(name) = &self.arguments.name else { return Ok(()) };
        if self.stored == Some(position) || stdout_is_broken() || stdout_is_gone() {
            return Ok(());
        }
        self.stored = Some(position);
        followers::store(&self.arguments.dir, name, position).map_err(|e| Problem::from_journal(&e))
    }
}

fn forget(arguments: &Follow) -> Result<Exit, Problem> {
    let name = arguments.name.as_deref().unwrap_or_default();
    let was_there =
        followers::forget(&arguments.dir, name).map_err(|e| Problem::from_journal(&e))?;
    aside(if was_there {
        "forgotten: retention no longer waits for it"
    } else {
        "there is no follower of this name"
    });
    Ok(Exit::Done)
}
