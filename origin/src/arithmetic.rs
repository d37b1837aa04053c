//! Implements the calculator for `/add`, `/sub`, `/mul` and `/div`, and for the requests of lines with these
//! names.

use serde::Deserialize;
use serde_json::{Number, json};

/// One of the four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Deserialize)]
struct Arguments {
    args: (Number, Number),
}

/// Computes with numbers in JSON, and returns the result as JSON.
pub(crate) fn compute(operation: Operation, body: &[u8]) -> Result<Vec<u8>, String> {
    let Arguments { args: (a, b) } =
        serde_json::from_slice(body).map_err(|error| format!("expected {{\"args\":[a,b]}}: {error}"))?;
    Ok(json!({ "result": result(operation, &a, &b)? }).to_string().into_bytes())
}

/// Computes with two numbers. Whole numbers stay whole if the result is one; all else is computed in double
/// precision.
pub(crate) fn result(operation: Operation, a: &Number, b: &Number) -> Result<Number, &'static str> {
    if operation == Operation::Divide && b.as_f64() == Some(0.0) {
        return Err("division by zero");
    }
    let result = whole(operation, a, b).map(Number::from).or_else(|| real(operation, a, b));
    result.ok_or("the result is out of range")
}

fn whole(operation: Operation, a: &Number, b: &Number) -> Option<i64> {
    let (a, b) = (a.as_i64()?, b.as_i64()?);
    match operation {
        Operation::Add => a.checked_add(b),
        Operation::Subtract => a.checked_sub(b),
        Operation::Multiply => a.checked_mul(b),
        Operation::Divide if a.checked_rem(b)? == 0 => a.checked_div(b),
        Operation::Divide => None,
    }
}

fn real(operation: Operation, a: &Number, b: &Number) -> Option<Number> {
    let (a, b) = (a.as_f64()?, b.as_f64()?);
    Number::from_f64(match operation {
        Operation::Add => a + b,
        Operation::Subtract => a - b,
        Operation::Multiply => a * b,
        Operation::Divide => a / b,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(operation: Operation, body: &str) -> Result<String, String> {
        compute(operation, body.as_bytes()).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn results_are_whole_where_they_can_be() {
        use Operation::{Add, Divide, Multiply, Subtract};
        let cases = [
            (Add, "[1,2]", "3"),
            (Subtract, "[1,2.5]", "-1.5"),
            (Multiply, "[-4,5]", "-20"),
            (Divide, "[8,2]", "4"),
            (Divide, "[1,2]", "0.5"),
            (Divide, "[-9223372036854775808,-1]", "9.223372036854776e+18"),
        ];
        for (operation, args, result) in cases {
            let answer = text(operation, &format!("{{\"args\":{args}}}"));
            assert_eq!(answer.as_deref(), Ok(format!("{{\"result\":{result}}}").as_str()));
        }
    }

    #[test]
    fn what_cannot_be_computed_says_why() {
        let reason = |body| text(Operation::Divide, body).unwrap_err();
        assert_eq!(reason(r#"{"args":[1,0]}"#), "division by zero");
        assert_eq!(reason(r#"{"args":[1,-0.0]}"#), "division by zero");
        assert_eq!(reason(r#"{"args":[1e308,1e-308]}"#), "the result is out of range");
        for bad in ["", "{", "[1,2]", r#"{"args":[1]}"#, r#"{"args":[1,2,3]}"#, r#"{"args":["1",2]}"#] {
            assert!(reason(bad).starts_with("expected"), "{bad}");
        }
    }
}
