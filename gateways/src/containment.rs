//! Panics of the readers that are not ours: one in a thousand damaged parquet files makes the crate index beyond its
//! bytes. They end in a problem with the file's name, not in a message with a backtrace.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

thread_local! {
    /// Whether this thread is within [`contained`].
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` answers. A panic in it is an error that says what the panic said.
pub(crate) fn contained<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let before = CONTAINED.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    answer.unwrap_or_else(|panic| {
        let why = text_of(&*panic);
        Err(format!("it is damaged in a way that its reader does not expect: {why}"))
    })
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.and_then(|text| text.lines().next()).unwrap_or("no more is known")
}

/// From here on nothing is printed of a panic that ends in a problem; of every other one what was printed before.
/// For the begin of a program: it changes the panic hook of the process.
pub fn keep_quiet_of_contained_panics() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        if !CONTAINED.get() {
            usual(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_contained_panic_is_an_error_with_its_words_and_nothing_is_printed_of_it() {
        static PRINTED: AtomicUsize = AtomicUsize::new(0);
        let usual = take_hook();
        set_hook(Box::new(move |panic| match panic.payload().downcast_ref::<&str>() {
            Some(&"seeded") => drop(PRINTED.fetch_add(1, Ordering::Relaxed)),
            _ => usual(panic),
        }));
        keep_quiet_of_contained_panics();
        let nothing: &[u8] = &[];
        let indexed = contained(|| Ok(nothing[std::hint::black_box(3)]));
        assert!(indexed.is_err_and(|why| why.ends_with("the len is 0 but the index is 3")));
        let seeded = contained(|| -> Result<(), String> { panic!("seeded") });
        assert!(seeded.is_err_and(|why| why.ends_with("expect: seeded")));
        assert_eq!(PRINTED.load(Ordering::Relaxed), 0);
        assert!(catch_unwind(|| panic!("seeded")).is_err());
        assert_eq!(PRINTED.load(Ordering::Relaxed), 1, "one that is not contained is printed");
        assert_eq!(contained(|| Ok(7)), Ok(7));
    }
}
