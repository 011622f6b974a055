//! Which column of a header is what, by the names that vendors give.

/// A field of a source, and the names it goes by: in lower case, letters and digits only.
const NAMES: [(&str, &[&str]); 16] = [
    (
        "ts_event",
        &[
            "tsevent",
            "timestamp",
            "time",
            "datetime",
            "date",
            "ts",
            "exchtime",
            "exchts",
            "tradetime",
            "opentime",
            "gmttime",
            "eventtime",
            "transacttime",
        ],
    ),
    ("ts_recv", &["tsrecv", "localtimestamp", "localtime", "localts", "receivetime", "recvtime"]),
    ("symbol", &["symbol", "ticker", "instrument", "sym", "pair"]),
    ("price", &["price", "px", "rate", "tradeprice", "lastprice"]),
    ("size", &["size", "amount", "qty", "quantity", "tradesize", "lastsize", "volume", "vol"]),
    ("side", &["side", "takerside", "aggressor", "aggressorside"]),
    ("bid", &["bid", "bidprice", "bidpx", "bestbid", "bidpx00", "bestbidprice"]),
    ("ask", &["ask", "askprice", "askpx", "bestask", "askpx00", "bestaskprice", "offer"]),
    ("bid_size", &["bidsize", "bidamount", "bidqty", "bidsz", "bidsz00", "bestbidqty"]),
    ("ask_size", &["asksize", "askamount", "askqty", "asksz", "asksz00", "bestaskqty"]),
    ("open", &["open", "o", "openprice"]),
    ("high", &["high", "h", "highprice"]),
    ("low", &["low", "l", "lowprice", "llow"]),
    ("close", &["close", "c", "closeprice"]),
    ("volume", &["volume", "vol", "v", "volumetraded"]),
    (
        "ticks",
        &["ticks", "tickvol", "tickvolume", "tickcount", "count", "trades", "numberoftrades"],
    ),
];

/// What the rows of a table are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rows {
    Trades,
    Quotes,
    Both,
    Bars,
}

/// Fields found in a header: (field, position).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) rows: Rows,
    pub(super) fields: Vec<(&'static str, usize)>,
    /// A time of day in a column of its own, beside the date.
    pub(super) split_time: bool,
}

impl Found {
    pub(super) fn position(&self, field: &str) -> Option<usize> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, at)| *at)
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// The fields of a header; `None` if its rows are neither trades, quotes nor bars.
pub(super) fn find(header: &[String]) -> Option<Found> {
    let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
    let position = |field: &str| {
        let (_, known) = NAMES.iter().find(|(name, _)| *name == field)?;
        // The names of a field in the order of how sure they are.
        known.iter().find_map(|known| names.iter().position(|name| name == known))
    };
    let all = |fields: &[&str]| fields.iter().all(|field| position(field).is_some());
    let split_time = ["date", "day"].iter().any(|date| names.iter().any(|name| name == date))
        && names.iter().any(|name| name == "time");
    position("ts_event")?;
    let mut wanted = vec!["ts_event", "ts_recv", "symbol"];
    let bars = all(&["open", "high", "low", "close", "volume"]);
    let (trades, quotes) = (all(&["price", "size"]), all(&["bid", "ask"]));
    let rows = match (bars, trades, quotes) {
        (true, ..) => Rows::Bars,
        (_, true, true) => Rows::Both,
        (_, true, _) => Rows::Trades,
        (.., true) => Rows::Quotes,
        _ => return None,
    };
    if rows == Rows::Bars {
        wanted.extend(["open", "high", "low", "close", "volume", "ticks"]);
    }
    if matches!(rows, Rows::Trades | Rows::Both) {
        wanted.extend(["price", "size", "side"]);
    }
    if matches!(rows, Rows::Quotes | Rows::Both) {
        wanted.extend(["bid", "ask", "bid_size", "ask_size"]);
    }
    let found = wanted.into_iter().filter_map(|field| Some((field, position(field)?)));
    let mut fields: Vec<(&'static str, usize)> = found.collect();
    // One column is one field: the first that claims it.
    let claimed = fields.clone();
    fields.retain(|(field, at)| {
        claimed.iter().find(|(_, a)| a == at).is_some_and(|(f, _)| f == field)
    });
    Some(Found { rows, fields, split_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<Found> {
        find(&text.split(',').map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn headers_of_vendors_are_read_and_others_are_not() {
        let check = |text: &str, rows, fields: &[(&str, usize)]| {
            let found = header(text).unwrap();
            assert_eq!((found.rows, &found.fields[..]), (rows, fields), "{text}");
        };
        check(
            "Timestamp,Open,High,Low,Close,Volume",
            Rows::Bars,
            &[("ts_event", 0), ("open", 1), ("high", 2), ("low", 3), ("close", 4), ("volume", 5)],
        );
        check(
            "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount",
            Rows::Quotes,
            &[
                ("ts_event", 2),
                ("ts_recv", 3),
                ("symbol", 1),
                ("bid", 6),
                ("ask", 5),
                ("bid_size", 7),
                ("ask_size", 4),
            ],
        );
        check("ts,price,size", Rows::Trades, &[("ts_event", 0), ("price", 1), ("size", 2)]);
        assert!(header("Date,Time,Open,High,Low,Close,Volume").unwrap().split_time);
        for other in ["FVG,Top,Bottom,MitigatedIndex", ",open,close,break_start,break_end", "a,b"] {
            assert_eq!(header(other), None, "{other}");
        }
    }
}
