//! Imitates NTLM as far as a proxy can handle it wrongly: after the login, the *connection* identifies the
//! user.
//!
//! No password is checked, and nothing is protected.

use crate::base64;

/// The state of the login: `Outside -> Challenged -> Inside`, and from `Challenged` back if the challenge is
/// answered wrongly.
#[derive(Default)]
pub(crate) struct Login(Stage);

#[derive(Default)]
enum Stage {
    #[default]
    Outside,
    Challenged,
    Inside(String),
}

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 401 with the way to begin.
    Outside,
    /// 401 with the challenge, as text.
    Challenged(String),
    /// 200 with the user's name.
    Inside(String),
}

const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// The flags: NTLM, in the character set of the machine.
const FLAGS: u32 = 0x0202;
/// The offset of the position of the name, and of the flags, in a message of the third kind.
const NAME: usize = 36;
const THIRD_FLAGS: usize = 60;

impl Login {
    /// Returns whether every request on this connection belongs to the user.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(self.0, Stage::Inside(_))
    }

    /// Handles a request with this `Authorization` field.
    pub(crate) fn hear(&mut self, authorization: Option<&[u8]>) -> Verdict {
        if let Stage::Inside(user) = &self.0 {
            return Verdict::Inside(user.clone());
        }
        let message = authorization.and_then(message).unwrap_or_default();
        let (stage, verdict) = match (&self.0, kind(&message)) {
            (_, Some(1)) => (Stage::Challenged, Verdict::Challenged(base64::encode(&challenge()))),
            (Stage::Challenged, Some(3)) => match name(&message) {
                Some(user) => (Stage::Inside(user.clone()), Verdict::Inside(user)),
                None => (Stage::Outside, Verdict::Outside),
            },
            _ => (Stage::Outside, Verdict::Outside),
        };
        self.0 = stage;
        verdict
    }
}

fn message(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.split_at_checked(5)?;
    let text = scheme.eq_ignore_ascii_case(b"NTLM ").then(|| rest.trim_ascii())?;
    base64::decode(text)
}

fn kind(message: &[u8]) -> Option<u32> {
    number(message.strip_prefix(SIGNATURE)?, 0)
}

/// Returns a message of the second kind, without a domain and with a constant challenge.
fn challenge() -> Vec<u8> {
    let nowhere = [0, 0, 0, 0, 48, 0, 0, 0];
    let parts =
        [SIGNATURE, &2_u32.to_le_bytes(), &nowhere, &FLAGS.to_le_bytes(), b"penstock", &[0; 8], &nowhere];
    parts.concat()
}

/// Returns the user's name in a message of the third kind.
fn name(message: &[u8]) -> Option<String> {
    let length = (number(message, NAME)? & 0xffff) as usize;
    let start = number(message, NAME + 4)? as usize;
    let name = message.get(start..start.checked_add(length)?)?;
    if number(message, THIRD_FLAGS).unwrap_or(0) & 1 == 0 {
        return Some(String::from_utf8_lossy(name).into_owned());
    }
    let (units, _) = name.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Some(String::from_utf16_lossy(&units))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> Vec<u8> {
        format!("NTLM {}", base64::encode(b"NTLMSSP\0\x01\0\0\0\0\0\0\0")).into()
    }

    /// Makes a message with the name at this offset, which need not be true.
    fn third(user: &[u8], flags: u32, at: u32) -> Vec<u8> {
        let mut message = [SIGNATURE, &3_u32.to_le_bytes(), &[0; 24]].concat();
        message.extend((user.len() as u16).to_le_bytes().repeat(2));
        message.extend(at.to_le_bytes());
        message.resize(THIRD_FLAGS, 0);
        message.extend(flags.to_le_bytes());
        message.extend(user);
        format!("ntlm {}", base64::encode(&message)).into()
    }

    #[test]
    fn three_steps_lead_inside_and_there_it_stays() {
        let mut login = Login::default();
        assert_eq!(login.hear(None), Verdict::Outside);
        let Verdict::Challenged(text) = login.hear(Some(&first())) else { panic!("no challenge") };
        let challenge = base64::decode(text.as_bytes()).unwrap();
        assert_eq!((kind(&challenge), challenge.len()), (Some(2), 48));
        let alice = Verdict::Inside("alice".to_owned());
        assert_eq!(login.hear(Some(&third(b"alice", 0, 64))), alice);
        assert_eq!(
            (login.hear(None), login.hear(Some(&first()))),
            (Verdict::Inside("alice".to_owned()), alice)
        );
    }

    #[test]
    fn a_name_may_be_in_sixteen_bits() {
        let mut login = Login::default();
        login.hear(Some(&first()));
        let name: Vec<u8> = "zoë".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(login.hear(Some(&third(&name, 1, 64))), Verdict::Inside("zoë".to_owned()));
    }

    #[test]
    fn without_the_second_step_nobody_gets_in() {
        let good = third(b"bob", 0, 64);
        assert_eq!(Login::default().hear(Some(&good)), Verdict::Outside);
        let wrong: [&[u8]; 5] =
            [b"NTLM !", b"NTLM", b"Basic eA==", &third(b"bob", 0, 65), &third(b"bob", 0, u32::MAX)];
        for wrong in wrong {
            let mut login = Login::default();
            login.hear(Some(&first()));
            assert_eq!(login.hear(Some(wrong)), Verdict::Outside);
            assert_eq!(login.hear(Some(&good)), Verdict::Outside, "it has to begin again");
        }
    }
}
