//! Sale conditions of a print.

use crate::names::bits;

bits! {
    /// How a print came about: bits of a trade's `conditions`. Of the sale conditions of the SIP plans (CTA: CTS
    /// output specification; UTP: UTDF) those that bear on which prices a print sets, and the auctions. What makes no
    /// difference there (regular, intermarket sweep, cross, trade-through exempt, …) has no bit.
    Conditions(u16) {
        /// Paid and delivered the same day (C).
        CASH = 0 => "cash",
        /// Delivered the next day (N).
        NEXT_DAY = 1 => "next_day",
        /// Delivered when the seller likes (R).
        SELLER = 2 => "seller",
        /// At an average of earlier prices (W, B).
        AVERAGE_PRICE = 3 => "average_price",
        /// Far from the market of its time (H).
        PRICE_VARIATION = 4 => "price_variation",
        /// Less than a round lot (I).
        ODD_LOT = 5 => "odd_lot",
        /// Reported late: sold last or out of sequence (L, Z).
        OUT_OF_SEQUENCE = 6 => "out_of_sequence",
        /// At a price derived from something else than quotes (4).
        DERIVATIVELY_PRICED = 7 => "derivatively_priced",
        /// Outside regular hours, in sequence or not (T, U).
        FORM_T = 8 => "form_t",
        /// At a price of an earlier time (P).
        PRIOR_REFERENCE = 9 => "prior_reference",
        /// No trade: the market center's official open (Q).
        OFFICIAL_OPEN = 10 => "official_open",
        /// No trade: the market center's official close (M).
        OFFICIAL_CLOSE = 11 => "official_close",
        /// A leg of a trade in several instruments, such as a stock against its option (V, 7).
        CONTINGENT = 12 => "contingent",
        /// The opening auction (O).
        OPENING = 13 => "opening",
        /// The closing auction (6).
        CLOSING = 14 => "closing",
        /// An auction after a halt (5).
        REOPENING = 15 => "reopening",
    }
}

impl Conditions {
    /// The condition with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, w)| *w == word).map(|(flag, _)| *flag)
    }
}
