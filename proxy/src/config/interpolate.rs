//! Replaces `${NAME}`, `${NAME:-default}` and `$$` in a configuration.
//!
//! Each reference is masked by a word before YAML is parsed, so that a value cannot change the structure of the file.

use super::diagnostic::Position;

/// The text as YAML sees it: each reference is a run of one private-use character, as long as the reference.
///
/// So a value cannot change the structure of the file (a `#`, a line break or a brace in it stays text),
/// references work inside `{ flow: maps }`, positions stay exact, and comments need no care.
#[derive(Debug)]
pub(super) struct Interpolated {
    pub(super) text: String,
    references: Vec<Interpolation>,
}

#[derive(Debug)]
struct Interpolation {
    mask_length: usize,
    at: Position,
    value: Result<String, String>,
}

enum Piece<'a> {
    Text(&'a str),
    Reference(&'a Interpolation),
}

/// Private use, plane 15: the first mask. Whoever really writes such a character gets it masked as itself.
const FIRST: u32 = 0xF_0000;
/// How many references a file may hold; the plane has 65,534 characters.
const MOST: usize = 65_000;

impl Interpolated {
    /// Finds and looks up all references of `text`, which starts with no byte order mark.
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
                // To YAML, each of `\n`, `\r\n` and `\r` ends a line.
                '\r' if after.starts_with('\n') => at,
                '\n' | '\r' => Position { line: at.line + 1, column: 1 },
                _ => Position { column: at.column + width, ..at },
            };
            rest = after;
        }
        interpolated
    }

    /// The text of one scalar, unmasked; or where the first reference without a value stands, and why.
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

    /// A number for the expanded text that is the same in every process (FNV-1a).
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
                // One without a value stands in a comment, else the file is refused.
                Piece::Reference(reference) => feed(reference.value.as_deref().unwrap_or_default()),
            }
        }
        hash
    }

    /// The plain pieces and the references of a masked text, in turn.
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
            value = Err(format!("more than {MOST} references to the environment in one file"));
        }
        let mask = char::from_u32(FIRST + index as u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.text.extend(std::iter::repeat_n(mask, length));
        if self.references.len() == index {
            self.references.push(Interpolation { mask_length: length, at, value });
        }
    }
}

/// The reference at the start of `text`, if there is one: its length, and what it stands for.
fn reference(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<(usize, Result<String, String>)> {
    if text.starts_with("$$") {
        return Some((2, Ok("$".to_owned())));
    }
    if let Some(c) = text.chars().next().filter(|c| (FIRST..FIRST + 0x1_0000).contains(&u32::from(*c))) {
        return Some((c.len_utf8(), Ok(c.to_string())));
    }
    let inner = text.strip_prefix("${")?;
    let Some(end) = inner.find(['}', '\n']).filter(|&end| inner[end..].starts_with('}')) else {
        return Some((2, Err("`${` without its `}`; write `$$` for a plain `$`".to_owned())));
    };
    Some((end + 3, look_up(&inner[..end], env)))
}

/// As the shell does: a default stands in for a variable that is unset or empty.
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
