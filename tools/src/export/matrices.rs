//! `--values`: what lies behind the hashes of matrices. Windows are filled again from the journaled features, as
//! the stage does, and each must have the journaled hash.

use super::Cell;
use super::rows::{Slot, Symbols, text};
use engine::Problem;
use engine::config::Synergy;
use engine::indicators::matrices::{MATRICES, MatrixSet};
use engine::indicators::{Features, Roles};
use engine::{manifest, replay};
use journal::Journal;
use ringbuf_layout::{Indicator, Matrix};
use std::path::Path;

/// The windows of every instrument.
pub struct Values {
    roles: Synergy,
    sets: Vec<MatrixSet>,
}

impl Values {
    /// Empty windows, for the roles of the journal's config.
    ///
    /// # Errors
    /// The journal does not begin with a run start, or its config is missing.
    pub fn of(journal: &Journal, dir: &Path) -> Result<Self, Problem> {
        let start = replay::run_start(journal, dir)?;
        let manifest = manifest::read(dir, &start.manifest)?;
        let sets = (0..manifest.instruments).map(|_| MatrixSet::default()).collect();
        Ok(Self { roles: manifest.config.semantic.synergy, sets })
    }

    /// A row for each cell of the slot's matrices, oldest row first.
    ///
    /// # Errors
    /// A matrix that the journaled features do not give.
    pub fn rows(&mut self, slot: &Slot<'_>, symbols: &Symbols) -> Result<Vec<Vec<Cell>>, Problem> {
        let mut journaled = slot.all::<Matrix>();
        let mut rows = Vec::new();
        let mut agrees = true;
        for record in slot.all::<Indicator>() {
            let instrument = record.tail.instrument;
            let Some(set) = self.sets.get_mut(instrument as usize) else { continue };
            let roles = Roles::of(record.timeframe_s, &self.roles);
            set.on_features(roles, &Features::from(&record), |number, window| {
                let found = journaled.next().map(|matrix| (matrix.name as usize, matrix.hash));
                agrees &= found == Some((number, window.hash()));
                let shape = &MATRICES[number];
                for (at, value) in window.cells().unwrap_or_default().iter().enumerate() {
                    let (row, column) = (at / shape.columns.len(), at % shape.columns.len());
                    rows.push(vec![
                        Cell::Int(record.head.seq as i64),
                        symbols.symbol(instrument),
                        text(shape.name),
                        Cell::Int(row as i64),
                        text(shape.columns[column].name()),
                        Cell::Float(f64::from(*value)),
                    ]);
                }
            });
        }
        let seq = slot.all::<Indicator>().next().map_or(0, |record| record.head.seq);
        if !agrees || journaled.next().is_some() {
            return Err(Problem::new(
                "the journaled features do not give the journaled matrix",
                format!("sequence {seq}"),
                "run `grandmodel replay` on it: it names the first difference",
            ));
        }
        Ok(rows)
    }
}
