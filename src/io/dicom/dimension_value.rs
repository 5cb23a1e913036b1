//! A value of a dimension.

use std::cmp::Ordering;
use std::fmt;

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(String),
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Value::Number(_) => 0,
            Value::Text(_) => 1,
        }
    }

    /// Whether a caller means this value by a text: the number, the text, or one of the values of the text.
    pub(super) fn is_meant_by(&self, text: &str) -> bool {
        match self {
            Value::Number(number) => {
                text.parse::<f64>().is_ok_and(|n| (n - number).abs() <= 1e-6 * number.abs())
            }
            Value::Text(own) => {
                own.eq_ignore_ascii_case(text) || own.split('\\').any(|part| part.eq_ignore_ascii_case(text))
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}
