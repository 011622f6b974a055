//! A machine's state as bytes, section by section: what a snapshot holds, and what one leg of a journal hands to
//! the next.

use crate::pipeline::Pipeline;
use crate::runtime::group::Group;
use crate::runtime::handler::{POLICIES, Saved};
use crate::stage::Digest;
use crate::state::{Codec, StateError};
use ringbuf_layout::Part;

/// The state of a stage, or of what stands beside the stages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Whose.
    pub name: String,
    /// Its digest when it was saved; `None` of what is not hashed by itself.
    pub hash: Option<u64>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The state of a machine: nine stages, their policies, and the account as last recorded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    /// In the order in which an input meets them.
    pub sections: Vec<Section>,
}

/// Why an image is not of this machine: the section, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfit {
    /// Name of the section.
    pub section: String,
    /// What does not fit.
    pub error: StateError,
}

impl core::fmt::Display for Unfit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.section, self.error)
    }
}

/// Pure stages.
const STAGES: usize = 9;

/// The stages that look at the market alone, in order: where a changed config leaves one without its state, it and
/// those behind it begin anew. Account, orders and limits never do.
const OF_THE_MARKET: [&str; 7] = [
    Part::Validate.name(),
    Part::Bar.name(),
    Part::Indicator.name(),
    Part::Matrix.name(),
    Part::Synergy.name(),
    Part::Marl.name(),
    POLICIES,
];

impl Image {
    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The state hash that a checkpoint here has: over the digests of the stages, in stage order.
    pub fn state_hash(&self) -> Option<u64> {
        let stages = self.sections.iter().filter(|section| section.name != POLICIES);
        let digests: Vec<u64> = stages.filter_map(|section| section.hash).collect();
        let mut whole = Digest::default();
        for digest in &digests {
            whole.word(*digest);
        }
        (digests.len() == STAGES).then(|| whole.finish())
    }

    /// The same without the sections of these names: their stages begin anew.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.sections.retain(|section| !names.contains(&section.name.as_str()));
        self
    }
}

impl Pipeline<'_> {
    /// Saves the state of every part.
    ///
    /// # Panics
    /// Never: saving does not fail.
    pub fn save(&mut self) -> Image {
        let mut image = Image::default();
        self.show(|name, state| {
            let mut bytes = Vec::new();
            let saved = state.state(&mut Codec::save(&mut bytes));
            saved.expect("Invariant: saving does not fail");
            image.sections.push(Section { name: name.to_string(), hash: state.hash(), bytes });
        });
        image
    }

    /// Loads the state of every part into a machine that has not run, and checks that each has the digest that it
    /// had.
    ///
    /// # Errors
    /// The first section that is missing or does not fit; the machine is of no use then.
    pub fn load(&mut self, image: &Image) -> Result<(), Unfit> {
        self.load_some(image, &[])?;
        let mut result = Ok(());
        self.show(|name, state| {
            let saved = image.section(name).and_then(|section| section.hash);
            let (Some(saved), Some(hash)) = (saved, state.hash()) else { return };
            if saved != hash && result.is_ok() {
                let what = format!("it had the digest {saved:016x} and has {hash:016x}");
                result = Err(Unfit { section: name.to_string(), error: StateError::new(what) });
            }
        });
        result
    }

    /// As [`Pipeline::load`], without digests, and parts of these names may be without a section.
    ///
    /// # Errors
    /// The first other section that is missing, or that does not fit.
    pub fn load_some(&mut self, image: &Image, may_miss: &[&str]) -> Result<(), Unfit> {
        let mut result = Ok(());
        self.show(|name, state| {
            if result.is_err() {
                return;
            }
            let loaded = match image.section(name) {
                Some(section) => load(state, &section.bytes),
                None if may_miss.contains(&name) => Ok(()),
                None => Err(StateError::new("it is missing")),
            };
            result = loaded.map_err(|error| Unfit { section: name.to_string(), error });
        });
        result
    }

    /// The parts that would begin anew if this machine, which has not run and is of no use afterwards, took an
    /// image of another config.
    ///
    /// # Errors
    /// A part that must not begin anew does not fit.
    pub fn begin_anew(&mut self, image: &Image) -> Result<Vec<&'static str>, Unfit> {
        let mut misfits: Vec<Unfit> = Vec::new();
        self.show(|name, state| {
            let loaded = match image.section(name) {
                Some(section) => load(state, &section.bytes),
                None => Err(StateError::new("it is missing")),
            };
            misfits.extend(loaded.err().map(|error| Unfit { section: name.to_string(), error }));
        });
        let place = |unfit: &Unfit| OF_THE_MARKET.iter().position(|name| *name == unfit.section);
        if let Some(unfit) = misfits.iter().find(|unfit| place(unfit).is_none()) {
            return Err(unfit.clone());
        }
        let first = misfits.iter().filter_map(place).min();
        Ok(first.map_or_else(Vec::new, |first| OF_THE_MARKET[first..].to_vec()))
    }

    fn show(&mut self, mut show: impl FnMut(&'static str, &mut dyn Saved)) {
        for handler in self.groups.iter_mut().flat_map(Group::handlers_mut) {
            handler.states(&mut show);
        }
    }
}

fn load(state: &mut dyn Saved, bytes: &[u8]) -> Result<(), StateError> {
    let mut codec = Codec::load(bytes);
    state.state(&mut codec)?;
    codec.finish()
}
