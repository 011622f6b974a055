//! `synthetic:bench`: trades of one instrument over five sessions, made before the clock starts, so
//! that a bench measures the spine and not the making.

use crate::dice::Dice;
use crate::files;
use crate::price_path::SESSION_NS;
use crate::synthetic::{Key, instrument, parameters, session_open};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Feed, Source, SourceConfig, SymbolUse};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Frame, Price, Size, Tail, Trade};

const DAYS: u64 = 5;
const KEYS: [Key; 2] = [
    // 64 bytes a trade: at most 12.8 GB.
    Key { name: "ticks", default: 20_000_000, bounds: (1, 200_000_000) },
    Key { name: "seed", default: 1, bounds: (0, u64::MAX) },
];
/// Middle of the prices, in points.
const MIDDLE: i64 = 4_500;

/// Makes the trades.
pub(crate) fn open(
    config: &SourceConfig,
    text: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let [ticks, seed] = parameters(&config.spec, text, KEYS)?;
    let (definition, units) = instrument(&config.spec, catalog, 1)?;
    let trades = trades(ticks, seed, units.tick, units.lot);
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity: files::text_identity(&format!("synthetic bench v1 ticks={ticks},seed={seed}")),
        live: false,
        symbols: vec![SymbolUse { symbol: definition.symbol, trades: true, bars_s: 0 }],
        front: None,
        records_hint: Some(ticks),
        feed: Feed::Memory(trades),
    })
}

/// A bounded random walk on the price grid, evenly spread over the sessions with some jitter.
fn trades(ticks: u64, seed: u64, tick: i64, lot: i64) -> Vec<Trade> {
    let mut dice = Dice::new(seed, 0);
    let middle = MIDDLE * PRICE_ONE / tick;
    let room = middle / 2;
    let mut price = middle;
    let mut trades = Vec::with_capacity(ticks as usize);
    for day in 0..DAYS {
        let count = ticks * (day + 1) / DAYS - ticks * day / DAYS;
        let open = session_open(day);
        let gap = SESSION_NS / (count as i64 + 1);
        for i in 0..count as i64 {
            let bits = dice.bits();
            // Down, unchanged twice as often, or up; back towards the middle where the room ends.
            let step = [-1, 0, 0, 1][(bits & 3) as usize];
            price += step - ((price - middle) / room).signum();
            let jitter = ((u128::from(bits >> 32) * gap as u128) >> 32) as i64;
            let ts = open + 1 + i * gap + jitter;
            let side = 1 + ((bits >> 2) & 1) as u8;
            trades.push(Trade {
                head: Trade::header(ts, ts),
                price: Price(price * tick),
                size: Size((1 + ((bits >> 8) & 7) as i64) * lot),
                source_seq: 0,
                tail: Tail { side, ..Tail::default() },
            });
        }
    }
    trades
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: i64 = PRICE_ONE / 4;

    #[test]
    fn the_same_seed_makes_the_same_trades_and_another_seed_others() {
        let one = trades(10_000, 1, TICK, 1);
        assert_eq!(one, trades(10_000, 1, TICK, 1));
        assert_ne!(one, trades(10_000, 2, TICK, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn trades_are_counted_ordered_inside_sessions_and_on_the_grid(
            ticks in 1_u64..3_000, seed in any::<u64>()
        ) {
            let trades = trades(ticks, seed, TICK, 1);
            prop_assert_eq!(trades.len() as u64, ticks);
            prop_assert!(trades.is_sorted_by_key(|t| t.head.ts_event));
            for trade in &trades {
                let open = (0..DAYS).map(session_open).rfind(|o| *o < trade.head.ts_event).unwrap();
                prop_assert!(trade.head.ts_event < open + SESSION_NS);
                prop_assert!(trade.price.0 > 0 && trade.price.0 % TICK == 0 && trade.size.0 > 0);
            }
        }
    }
}
