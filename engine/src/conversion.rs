//! Whether a run can count the money of its instruments: each currency has a rate, and the rate is what it says.

use crate::config::{Rate, Semantic};
use crate::futures::Future;
use crate::instrument::InstrumentDef;
use crate::manifest::Listed;
use crate::problem::Problem;

/// Whatever is not in the account's currency has a rate, and the instrument that says it is there.
///
/// # Errors
/// What is missing, or a rate between two other currencies.
pub(crate) fn rates_fit(semantic: &Semantic, table: &[Listed]) -> Result<(), Problem> {
    let account = &semantic.account.currency;
    for def in table.iter().map(|listed| &listed.def).filter(|def| def.currency != *account) {
        let currency = &def.currency;
        let Some(rate) = semantic.rates.iter().find(|rate| rate.currency == *currency) else {
            return Err(Problem::new(
                format!("{} is in {currency}, and the account in {account}", def.symbol),
                format!("[[semantic.rate]] of {currency}"),
                format!(
                    "add [[semantic.rate]] currency = \"{currency}\" with the symbol that says \
                         what it is worth, or set the account's currency"
                ),
            ));
        };
        let place = format!("[[semantic.rate]] of {currency}");
        let Some(by) = table.iter().find(|listed| listed.def.symbol == rate.symbol) else {
            return Err(Problem::new(
                format!("{} is in {currency}, and no source delivers {}", def.symbol, rate.symbol),
                place,
                format!(
                    "name the instrument as a source has it (of a future, a contract), add a source with {}, or name \
                     it in --symbols if you choose there",
                    rate.symbol
                ),
            ));
        };
        direction(account, rate, &by.def)?;
        if ![account, currency].contains(&&by.def.currency) {
            return Err(Problem::new(
                format!(
                    "{} is in {}, which says nothing of {currency} in {account}",
                    rate.symbol, by.def.currency
                ),
                place,
                format!(
                    "name an instrument in {account} a {currency}, or in {currency} a {account}"
                ),
            ));
        }
    }
    Ok(())
}

/// A rate in the other currency counts as one over its price, and money would be wrong by orders of magnitude where that
/// currency is a mistake: so only a pair is one, and a pair is in its second half.
fn direction(account: &str, rate: &Rate, by: &InstrumentDef) -> Result<(), Problem> {
    let letters: String = by.symbol.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_pair = letters.len() == 6 && letters.bytes().all(|b| b.is_ascii_uppercase());
    let place = format!("[[semantic.rate]] of {}", rate.currency);
    let (base, quote) = letters.split_at(letters.len().min(3));
    if is_pair {
        let halves = [account, rate.currency.as_str()];
        if !halves.contains(&base) || !halves.contains(&quote) || base == quote {
            return Err(Problem::new(
                format!("{} is no pair of {} and {account}", by.symbol, rate.currency),
                place,
                format!("name {}{account} or {account}{}", rate.currency, rate.currency),
            ));
        }
        if by.currency != quote {
            return Err(Problem::new(
                format!(
                    "{} is quoted in {quote} by its name, and in {} by its definition",
                    by.symbol, by.currency
                ),
                place,
                format!("add currency = \"{quote}\" to its [[semantic.instrument]]"),
            ));
        }
    } else if by.currency == rate.currency {
        return Err(Problem::new(
            format!("{} is in {} itself and no pair of currencies", by.symbol, rate.currency),
            place,
            format!(
                "name a pair such as {account}{}, or an instrument in {account}",
                rate.currency
            ),
        ));
    }
    Ok(())
}

/// A rate is traded in a market of its own: as a contract of a future it would be denied, and take volume from the front.
///
/// # Errors
/// One that is both.
pub(crate) fn rates_are_no_contracts(
    semantic: &Semantic,
    futures: &[Future],
) -> Result<(), Problem> {
    let is_both = |rate: &&Rate| futures.iter().any(|future| future.has(&rate.symbol));
    let Some(rate) = semantic.rates.iter().find(is_both) else { return Ok(()) };
    Err(Problem::new(
        format!("{} is a rate and a contract of a future whose front is followed", rate.symbol),
        format!("[[semantic.rate]] of {}", rate.currency),
        "name the contracts in the `symbols` of the [[source]] with `front`, and the rate in another source",
    ))
}
