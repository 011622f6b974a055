//! The names of LOBSTER's files: `AAPL_2012-06-21_34200000_57600000_message_10.csv`, and the same with
//! `orderbook`, packed or not.

use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// What a name says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Name {
    pub symbol: String,
    /// Trading date, New York.
    pub date: Date,
    /// Levels a side of the order book file.
    pub levels: usize,
}

/// Which of the two files of a day it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Message(Name),
    /// The companion of a message file.
    Orderbook,
}

/// What the name of a file says; `None` if it is not one of LOBSTER's.
pub(crate) fn parse(path: &Path) -> Option<Role> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".csv")?;
    let mut parts = name.rsplitn(6, '_');
    let levels = parts.next()?.parse().ok().filter(|levels| (1..=1_000).contains(levels))?;
    let role = parts.next()?;
    let times = [parts.next()?, parts.next()?];
    times.iter().try_for_each(|ms| ms.parse::<u32>().ok().map(drop))?;
    let date = parts.next()?.parse().ok()?;
    let symbol = parts.next().filter(|symbol| !symbol.is_empty())?.to_string();
    match role {
        "message" => Some(Role::Message(Name { symbol, date, levels })),
        "orderbook" => Some(Role::Orderbook),
        _ => None,
    }
}

/// The order book file that lies beside a message file, if one does.
pub(crate) fn orderbook_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (before, after) = name.rsplit_once("_message_")?;
    let plain = format!("{before}_orderbook_{after}");
    let other = plain.strip_suffix(".gz").map_or(format!("{plain}.gz"), str::to_string);
    [plain, other].iter().map(|name| path.with_file_name(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn symbol_date_and_levels_are_in_the_name() {
        let parsed = |name: &str| parse(Path::new(name));
        let check = |name: &str, symbol: &str, levels| {
            let expected = Name { symbol: symbol.to_string(), date: date(2012, 6, 21), levels };
            assert_eq!(parsed(name), Some(Role::Message(expected)), "{name}");
        };
        check("d/AAPL_2012-06-21_34200000_57600000_message_10.csv", "AAPL", 10);
        check("AAPL_2012-06-21_34200000_57600000_message_1.csv.gz", "AAPL", 1);
        check("BRK_A_2012-06-21_34200000_57600000_message_50.csv", "BRK_A", 50);
        let book = "AAPL_2012-06-21_34200000_57600000_orderbook_10.csv";
        assert_eq!(parsed(book), Some(Role::Orderbook));
        for name in [
            "",
            "AAPL.csv",
            "AAPL_2012-06-31_34200000_57600000_message_10.csv",
            "AAPL_2012-06-21_34200000_57600000_message_0.csv",
            "AAPL_2012-06-21_34200000_57600000_trades_10.csv",
            "AAPL_2012-06-21_x_57600000_message_10.csv",
            "_2012-06-21_34200000_57600000_message_10.csv",
            "AAPL_2012-06-21_34200000_57600000_message_10.txt",
        ] {
            assert_eq!(parsed(name), None, "{name}");
        }
    }
}
