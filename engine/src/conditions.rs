//! Which prints set no price: tables of sale conditions, by their name.
//!
//! An instrument that names a table (`conditions = "us-equities"`) has its prints measured by it. One with a
//! condition of `no_price` counts as a print and with its size, and sets neither open, high, low, close nor vwap of a
//! bar, nor the price that jumps are measured from, nor does it fill an order. The size of one with a condition of
//! `no_volume` counts as 0. No built-in instrument names a table.

use ringbuf_layout::Conditions;

/// A table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConditionTable {
    /// What instruments call it.
    pub name: String,
    /// The conditions that keep a print from setting prices.
    pub no_price: Conditions,
    /// The conditions of a print whose size is in no volume, because other prints have told it.
    pub no_volume: Conditions,
}

/// Shares of the United States.
pub const US_EQUITIES: &str = "us-equities";

/// The conditions with "no" under "consolidated high/low" in the sale condition matrices of the SIP plans: CTA, CTS
/// output specification; UTP, UTDF specification.
///
/// Seller, prior reference, derivatively priced and out of sequence have "yes" there and a condition under "last": they
/// set all prices here.
const US_EQUITIES_NO_PRICE: [Conditions; 9] = [
    Conditions::CASH,
    Conditions::NEXT_DAY,
    Conditions::AVERAGE_PRICE,
    Conditions::PRICE_VARIATION,
    Conditions::ODD_LOT,
    Conditions::FORM_T,
    Conditions::OFFICIAL_OPEN,
    Conditions::OFFICIAL_CLOSE,
    Conditions::CONTINGENT,
];

/// Those with "no" under "volume": they repeat the size of an auction that was printed.
const US_EQUITIES_NO_VOLUME: [Conditions; 2] =
    [Conditions::OFFICIAL_OPEN, Conditions::OFFICIAL_CLOSE];

/// The tables that need no definition.
pub fn built_in() -> [ConditionTable; 1] {
    let all = |of: &[Conditions]| of.iter().copied().fold(Conditions::NONE, Conditions::with);
    let (no_price, no_volume) = (all(&US_EQUITIES_NO_PRICE), all(&US_EQUITIES_NO_VOLUME));
    [ConditionTable { name: US_EQUITIES.to_string(), no_price, no_volume }]
}

/// Every table: the config's own and the built-in ones.
pub fn tables(own: &[ConditionTable]) -> impl Iterator<Item = ConditionTable> {
    built_in().into_iter().chain(own.iter().cloned())
}

/// The name of a table with exactly these conditions, without a price and without a volume. Two tables of the same
/// conditions are the same to an engine.
pub fn name_of(of: [Conditions; 2], own: &[ConditionTable]) -> Option<String> {
    tables(own).find(|table| [table.no_price, table.no_volume] == of).map(|table| table.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_shares_is_that_of_the_matrix_by_high_and_low() {
        let [table] = built_in();
        let words = "cash+next_day+average_price+price_variation+odd_lot+form_t+official_open+\
                     official_close+contingent";
        assert_eq!(table.no_price.to_string(), words);
        assert_eq!(table.no_volume.to_string(), "official_open+official_close");
        // Auctions set prices, whatever else is said of them.
        for sets in [Conditions::OPENING, Conditions::CLOSING, Conditions::REOPENING] {
            assert!(!table.no_price.any(sets));
        }
    }
}
