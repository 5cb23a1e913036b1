//! Numbers in text: decimal and integer strings (PS3.5, section 6.2), and what writers with another locale make of them.

/// The numbers of a text, separated by backslashes; none when one of them cannot be read without guessing.
///
/// A comma stands for the decimal point where it is the only one of a number that has no point, and separates numbers
/// where each of them has a point of its own.
pub(super) fn numbers(text: &str) -> Option<Vec<f64>> {
    let mut numbers = Vec::new();
    for part in text.split('\\') {
        let part = part.trim_matches([' ', '\0']);
        match (part.contains('.'), part.matches(',').count()) {
            (_, 0) => numbers.push(number(part)?),
            (false, 1) => numbers.push(number(&part.replace(',', "."))?),
            (true, _) if part.split(',').all(|n| n.contains('.')) => {
                for part in part.split(',') {
                    numbers.push(number(part.trim())?);
                }
            }
            _ => return None,
        }
    }
    Some(numbers)
}

/// A number as the standard allows it: digits, a sign, a point, an exponent; so neither `inf` nor `nan`.
fn number(text: &str) -> Option<f64> {
    let allowed = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes().all(allowed).then(|| text.parse().ok())?.filter(|n: &f64| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn decimals_are_read_as_they_are_written() {
        assert_eq!(numbers("0.5\\0.25"), Some(vec![0.5, 0.25]));
        assert_eq!(numbers(" +1.5e-3 \\-2\\.5\\3."), Some(vec![1.5e-3, -2.0, 0.5, 3.0]));
        assert_eq!(numbers("0,125\\2,5"), Some(vec![0.125, 2.5]));
        assert_eq!(numbers("-0,5"), Some(vec![-0.5]));
        assert_eq!(numbers("0.5,0.25"), Some(vec![0.5, 0.25]));
    }

    #[test]
    fn what_could_be_several_numbers_is_none() {
        for text in ["0,5,0,5", "1,024.5", "0.5;0.5", "nan", "inf", "1e999", "0.5\\", "five", "1 2", "0.5 mm"]
        {
            assert_eq!(numbers(text), None, "{text}");
        }
    }
}
