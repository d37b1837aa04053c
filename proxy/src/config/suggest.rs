//! Suggests the word that somebody probably meant to write.

/// Returns the word nearest to `written`, or `None` if every word needs more edits than a third of the
/// letters of `written` (but one edit is always allowed).
pub(super) fn suggest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(LONGEST + 1).collect();
    if written.len() > LONGEST {
        return None;
    }
    let most = (written.len() / 3).max(1);
    let near = words.into_iter().map(|word| (distance(&written, word), word));
    near.filter(|(edits, _)| *edits <= most).min_by_key(|(edits, _)| *edits).map(|(_, word)| word)
}

/// The longest name or key in characters. The cost of comparing grows with the square of the length.
const LONGEST: usize = 64;

/// Counts the edits that turn one word into the other: insert, delete, replace, or swap two neighbours
/// (Damerau-Levenshtein distance without editing a part twice).
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            // Swapped neighbours count as one edit, since they are a usual slip.
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn finds_slips_and_leaves_strangers_alone() {
        let words = ["backend", "bind", "backlog", "via"];
        assert_eq!(suggest("bakend", words), Some("backend"));
        assert_eq!(suggest("bidn", words), Some("bind"));
        assert_eq!(suggest("vai", words), Some("via"));
        assert_eq!(suggest("frontend", words), None);
        assert_eq!(suggest("", words), None);
        assert_eq!(suggest(&"b".repeat(100_000), words), None);
    }
}
