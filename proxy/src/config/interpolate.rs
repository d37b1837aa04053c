//! Replaces `${NAME}`, `${NAME:-default}` and `$$` in a configuration.
//!
//! Each reference is masked by a word before YAML is parsed, so that a value cannot change the structure of the file.

use super::diagnostic::Position;

/// The text that the YAML parser reads: a run of one private-use character, as long as the reference,
/// replaces each reference.
///
/// A value with a `#`, a line break or a brace therefore stays text, references work inside `{ flow: maps }`,
/// positions stay exact, and references in comments do no harm.
#[derive(Debug)]
pub(super) struct Interpolated {
    pub(super) text: String,
    references: Vec<Interpolation>,
}

/// One reference to the environment, or one `$$`.
#[derive(Debug)]
struct Interpolation {
    /// The length of the reference, and of the run that masks it, in characters.
    mask_length: usize,
    at: Position,
    /// The text that the reference stands for, or the reason why there is none.
    value: Result<String, String>,
}

enum Piece<'a> {
    Text(&'a str),
    Reference(&'a Interpolation),
}

/// The first mask, at the start of private-use plane 15. A file that contains such a character itself gets
/// that character masked as itself.
const FIRST: u32 = 0xF_0000;
/// The number of references that one file may hold. The plane has 65,534 characters, one for each reference.
const MOST: usize = 65_000;

impl Interpolated {
    /// Finds and looks up all references of `text`, from which the byte order mark must be gone.
    pub(super) fn new(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut interpolated = Self { text: String::with_capacity(text.len()), references: Vec::new() };
        let (mut rest, mut at) = (text, Position { line: 1, column: 1 });
        while let Some(c) = rest.chars().next() {
            let found = reference(rest, env);
            let length = found.as_ref().map_or_else(|| c.len_utf8(), |(length, _)| *length);
            let (here, after) = rest.split_at(length);
            let width = here.chars().count();
            match found {
                Some((_, value)) => interpolated.mask(at, width, value),
                None => interpolated.text.push_str(here),
            }
            at = match c {
                // A line ends at `\n`, `\r\n` or `\r` in YAML, and positions must agree with the parser's.
                '\r' if after.starts_with('\n') => at,
                '\n' | '\r' => Position { line: at.line + 1, column: 1 },
                _ => Position { column: at.column + width, ..at },
            };
            rest = after;
        }
        interpolated
    }

    /// Returns the text of one scalar with its references replaced, or the place of the first reference
    /// without a value and the reason.
    pub(super) fn reveal(&self, scalar: &str) -> Result<String, (Position, String)> {
        let mut out = String::with_capacity(scalar.len());
        for piece in self.pieces(scalar) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Reference(Interpolation { at, value, .. }) => match value {
                    Ok(value) => out.push_str(value),
                    Err(why) => return Err((*at, why.clone())),
                },
            }
        }
        Ok(out)
    }

    /// Returns the FNV-1a hash of the expanded text, which is the same in every process.
    pub(super) fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut feed = |text: &str| {
            for byte in text.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        for piece in self.pieces(&self.text) {
            match piece {
                Piece::Text(text) => feed(text),
                // A reference without a value is refused elsewhere unless it stands in a comment, so the
                // empty text is right here.
                Piece::Reference(reference) => feed(reference.value.as_deref().unwrap_or_default()),
            }
        }
        hash
    }

    /// Splits a masked text into plain pieces and references, in their order.
    fn pieces<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let length = match self.masked_by(first) {
                Some(reference) => rest.chars().take(reference.mask_length).map(char::len_utf8).sum(),
                None => rest.find(|c| self.masked_by(c).is_some()).unwrap_or(rest.len()),
            };
            let (here, after) = rest.split_at(length);
            rest = after;
            Some(self.masked_by(first).map_or(Piece::Text(here), Piece::Reference))
        })
    }

    fn masked_by(&self, c: char) -> Option<&Interpolation> {
        self.references.get(u32::from(c).checked_sub(FIRST)? as usize)
    }

    fn mask(&mut self, at: Position, length: usize, mut value: Result<String, String>) {
        let index = self.references.len().min(MOST);
        if index == MOST {
            // Past the limit all references share the last mask, whose value is the error.
            value = Err(format!("more than {MOST} references to the environment in one file"));
        }
        let mask = char::from_u32(FIRST + index as u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.text.extend(std::iter::repeat_n(mask, length));
        if self.references.len() == index {
            self.references.push(Interpolation { mask_length: length, at, value });
        }
    }
}

/// Returns the length in bytes of the reference at the start of `text` and its value; `None` if `text` starts
/// with something else.
fn reference(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<(usize, Result<String, String>)> {
    if text.starts_with("$$") {
        return Some((2, Ok("$".to_owned())));
    }
    // A private-use character of the file would look like a mask, so it is masked too.
    if let Some(c) = text.chars().next().filter(|c| (FIRST..FIRST + 0x1_0000).contains(&u32::from(*c))) {
        return Some((c.len_utf8(), Ok(c.to_string())));
    }
    let inner = text.strip_prefix("${")?;
    // A reference must end in its line; otherwise one forgotten brace would swallow the file.
    let Some(end) = inner.find(['}', '\n']).filter(|&end| inner[end..].starts_with('}')) else {
        return Some((2, Err("`${` without its `}`; write `$$` for a plain `$`".to_owned())));
    };
    Some((end + 3, look_up(&inner[..end], env)))
}

/// Looks up `NAME` or `NAME:-default`. As in the shell, the default replaces a variable that is unset or
/// empty.
fn look_up(inner: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) =
        inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    if !is_name(name) {
        return Err(format!("`${{{inner}}}` is neither `${{NAME}}` nor `${{NAME:-default}}`"));
    }
    let value = env(name).filter(|value| default.is_none() || !value.is_empty());
    let unset =
        || format!("the environment variable `{name}` is not set; set it, or write `${{{name}:-default}}`");
    value.or_else(|| default.map(str::to_owned)).ok_or_else(unset)
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}
