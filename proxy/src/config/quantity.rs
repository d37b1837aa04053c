//! Reads durations, sizes and percentages in the notation of people: `1m30s`, `64KiB`, `10%`.

use std::time::Duration;

use serde_json::{Value, json};

use super::scalar::{ScalarKind, short, unexpected};

/// A duration of at least `LEAST` microseconds and at most 366 days.
#[derive(Debug)]
pub(super) struct DurationFrom<const LEAST: u64>;

/// A duration longer than zero.
pub(super) type Time = DurationFrom<1>;

/// A duration of 1 to `MOST` whole units of `UNIT` microseconds.
#[derive(Debug)]
pub(super) struct WholeUnits<const UNIT: u64, const MOST: u64>;

/// The units with their microseconds, in the only order in which they may follow each other.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// The longest duration: 366 days. Deadlines this far ahead cannot overflow a `u64` of nanoseconds.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

impl<const LEAST: u64> ScalarKind for DurationFrom<LEAST> {
    type Value = Duration;
    const EXPECTED: &'static str = "a duration such as `4s`, `250ms` or `1m30s`";

    fn parse(text: &str) -> Result<Duration, String> {
        // Without a unit, seconds and milliseconds are easily confused.
        if is_number(text) {
            return Err(format!("`{text}` has no unit; write `{text}s` for seconds or `{text}ms`"));
        }
        let span = duration(text).ok_or_else(|| unexpected::<Self>(text))?;
        match span {
            _ if span < Duration::from_micros(LEAST) => {
                Err(format!("`{text}` is too short; more than 0 is needed"))
            }
            _ if span > YEAR => Err(format!("`{text}` is too long; 366d at most")),
            _ => Ok(span),
        }
    }

    fn schema() -> Value {
        let units = UNITS.map(|(unit, _)| format!("([0-9]+{unit})?"));
        json!({ "type": "string", "minLength": 2, "pattern": format!("^{}$", units.concat()) })
    }
}

impl<const UNIT: u64, const MOST: u64> ScalarKind for WholeUnits<UNIT, MOST> {
    type Value = Duration;
    const EXPECTED: &'static str = Time::EXPECTED;

    fn parse(text: &str) -> Result<Duration, String> {
        let span = DurationFrom::<0>::parse(text)?;
        let micros = span.as_micros();
        let (one, most) = (spelt(UNIT), spelt(UNIT * MOST));
        match micros {
            _ if micros < u128::from(UNIT) => Err(format!("`{text}` is too short; {one} at least")),
            _ if micros > u128::from(UNIT * MOST) => Err(format!("`{text}` is too long; {most} at most")),
            _ if !micros.is_multiple_of(u128::from(UNIT)) => Err(format!("`{text}` is no multiple of {one}")),
            _ => Ok(span),
        }
    }

    fn schema() -> Value {
        Time::schema()
    }
}

/// Writes a duration as the file would.
fn spelt(mut micros: u64) -> String {
    let mut text = String::new();
    for (unit, size) in UNITS {
        if micros >= size {
            text += &format!("{}{unit}", micros / size);
            micros %= size;
        }
    }
    text
}

fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut units, mut micros) = (text, &UNITS[..], 0_u64);
    while !rest.is_empty() {
        let (number, unit);
        (number, unit, rest) = leading(rest)?;
        let place = units.iter().position(|(name, _)| *name == unit)?;
        micros = micros.checked_add(number.checked_mul(units[place].1)?)?;
        // Only smaller units may follow, which rules out `1s1s` and `5ms1s`.
        units = &units[place + 1..];
    }
    (!text.is_empty()).then_some(Duration::from_micros(micros))
}

/// Splits off the leading number and its unit, and returns them with the rest.
fn leading(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    Some((number.parse().ok()?, unit, rest))
}

/// A size from `MIN` to `MAX` bytes.
#[derive(Debug)]
pub(super) struct Size<const MIN: usize, const MAX: usize>;

/// The units of sizes in bytes, decimal and binary.
const SIZES: [(&str, usize); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl<const MIN: usize, const MAX: usize> ScalarKind for Size<MIN, MAX> {
    type Value = usize;
    const EXPECTED: &'static str = "a size such as `64KiB`, `1MiB` or `512B`";

    fn parse(text: &str) -> Result<usize, String> {
        let bytes = size(text).ok_or_else(|| unexpected::<Self>(text))?;
        if (MIN..=MAX).contains(&bytes) {
            return Ok(bytes);
        }
        Err(format!("`{text}` is outside of {} to {}", written(MIN), written(MAX)))
    }

    fn schema() -> Value {
        let units = SIZES.map(|(unit, _)| unit).join("|");
        json!({ "anyOf": [
            { "type": "integer", "minimum": MIN, "maximum": MAX },
            { "type": "string", "pattern": format!("^[0-9]+({units})$") },
        ] })
    }
}

fn size(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.parse::<usize>().ok()?.checked_mul(*factor)
}

/// Writes a size with the largest binary unit that divides it.
fn written(bytes: usize) -> String {
    let unit = SIZES
        .iter()
        .rev()
        // Only the binary units have three letters.
        .find(|(name, size)| name.len() == 3 && bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes}B"), |(name, size)| format!("{}{name}", bytes / size))
}

/// A share in whole percent, from 0 to 100.
#[derive(Debug)]
pub(super) struct Percent;

impl ScalarKind for Percent {
    type Value = u8;
    const EXPECTED: &'static str = "a share in whole percent such as `10%`";

    fn parse(text: &str) -> Result<u8, String> {
        let Some(number) = text.strip_suffix('%') else {
            return Err(match Self::parse(&format!("{text}%")) {
                Ok(_) => format!("`{text}` has no unit; write `{text}%`"),
                Err(_) => unexpected::<Self>(text),
            });
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if !digits || (number.len() > 1 && number.starts_with('0')) {
            return Err(unexpected::<Self>(text));
        }
        let share = number.parse().ok().filter(|share| *share <= 100);
        share.ok_or_else(|| format!("`{}` is outside of 0% to 100%", short(text)))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^([0-9]|[1-9][0-9]|100)%$" })
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, micros) in [
            ("500us", 500),
            ("250ms", 250_000),
            ("4s", 4_000_000),
            ("1m30s", 90_000_000),
            ("2h", 7_200_000_000),
            ("1d", 86_400_000_000),
            ("1s500ms", 1_500_000),
        ] {
            assert_eq!(Time::parse(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in [
            "",
            "s",
            "4",
            "4 s",
            "1.5s",
            "-1s",
            "30s1m",
            "1s1s",
            "0s",
            "9d9",
            "99999999999999999999s",
            "400d",
        ] {
            assert!(Time::parse(text).is_err(), "{text}");
        }
        assert_eq!(DurationFrom::<0>::parse("0s"), Ok(Duration::ZERO));
        assert!(Time::parse("4").is_err_and(|why| why.contains("`4s`")));
    }

    #[test]
    fn shares_read_as_people_write_them() {
        for (text, share) in [("0%", 0), ("7%", 7), ("10%", 10), ("100%", 100)] {
            assert_eq!(Percent::parse(text), Ok(share), "{text}");
        }
        for text in ["", "%", "10", "10 %", "1.5%", "-1%", "010%", "101%", "999999999999999999999%", "10%%"] {
            assert!(Percent::parse(text).is_err(), "{text}");
        }
        assert!(Percent::parse("10").is_err_and(|why| why.contains("write `10%`")));
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        type Any = Size<0, { usize::MAX }>;
        for (text, bytes) in
            [("512B", 512), ("512", 512), ("4KB", 4_000), ("64KiB", 65_536), ("1MiB", 1 << 20)]
        {
            assert_eq!(Any::parse(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "B",
            "1K",
            "1kib",
            "1 KiB",
            "1.5MiB",
            "-1",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert!(Any::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Size::<1024, 1_048_576>::parse("2MiB"),
            Err("`2MiB` is outside of 1KiB to 1MiB".to_owned())
        );
    }
}
