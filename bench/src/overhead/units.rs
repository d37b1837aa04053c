//! Writes quantities for people.

/// Returns a time in seconds with three digits and its unit.
pub(crate) fn time(seconds: f64) -> String {
    let size = seconds.abs();
    match size {
        _ if !size.is_finite() => "?".to_owned(),
        0.0 => "0 µs".to_owned(),
        ..1e-3 => format!("{} µs", three(seconds * 1e6)),
        ..1.0 => format!("{} ms", three(seconds * 1e3)),
        _ => format!("{} s", three(seconds)),
    }
}

/// Returns a difference of times with its sign.
pub(crate) fn signed_time(seconds: f64) -> String {
    if seconds < 0.0 { format!("−{}", time(-seconds)) } else { format!("+{}", time(seconds)) }
}

/// Returns a number of bytes.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes.abs() {
        ..1e3 => format!("{bytes:.0} B"),
        ..1e6 => format!("{} kB", three(bytes / 1e3)),
        ..1e9 => format!("{} MB", three(bytes / 1e6)),
        _ => format!("{} GB", three(bytes / 1e9)),
    }
}

/// Returns a whole number with a comma between groups of three digits.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number <= -0.5 { format!("−{grouped}") } else { grouped }
}

/// Returns a number with three significant digits.
pub(crate) fn three(number: f64) -> String {
    match number.abs() {
        100.0.. => format!("{number:.0}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_three_digits_and_a_unit() {
        let times = [0.0, 1.5e-5, 9.99e-4, 0.0123, 2.5, f64::INFINITY].map(time);
        assert_eq!(times, ["0 µs", "15.0 µs", "999 µs", "12.3 ms", "2.50 s", "?"]);
        assert_eq!([-2e-5, 2e-5].map(signed_time), ["−20.0 µs", "+20.0 µs"]);
        assert_eq!([12.0, 1234.0, 5.6e6, 7e9].map(bytes), ["12 B", "1.23 kB", "5.60 MB", "7.00 GB"]);
        let numbers = [0.0, 999.0, 1000.0, 1_234_567.0, -1234.0].map(whole);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567", "−1,234"]);
    }
}
