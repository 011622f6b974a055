//! What of a source or a journal is wanted: `--from`, `--to`, `--symbols`.

use crate::cli;
use engine::Problem;
use engine::runtime::feed::Filter;

/// The window that was typed.
///
/// # Errors
/// A time that is none, or an end that is not after the beginning.
pub fn filter(window: &cli::Window) -> Result<Filter, Problem> {
    let instant = |flag: &str, text: &Option<String>| {
        text.as_deref().map(|text| time(flag, text)).transpose()
    };
    let (from, to) = (instant("--from", &window.from)?, instant("--to", &window.to)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        let fix = "give an earlier --from or a later --to";
        return Err(Problem::new("--to is not after --from", "--from, --to", fix));
    }
    Ok(Filter {
        from,
        to,
        symbols: window.symbols.iter().map(|symbol| symbol.to_uppercase()).collect(),
    })
}

fn time(flag: &str, text: &str) -> Result<i64, Problem> {
    let instant = text.parse::<jiff::Timestamp>().ok();
    instant.and_then(|t| i64::try_from(t.as_nanosecond()).ok()).ok_or_else(|| {
        let fix = "write it with its offset, such as 2013-10-07T14:00:00Z or …T10:00:00-04:00";
        Problem::new(format!("\"{text}\" is not an instant"), flag, fix)
    })
}
