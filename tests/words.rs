//! Documents, messages and comments use the field's own words: those that we once made up stay out.

use std::fs;
use std::path::{Path, PathBuf};

/// What is not to be found, with or without a capital, and what to write instead.
const WORDS: [(&str, &str); 12] = [
    ("whole number", "integer, or residual"),
    ("price of a bit", "lambda, the rate-distortion multiplier"),
    ("last states", "weight averaging"),
    ("is none", "say what is invalid: 'invalid step 0'"),
    ("are none", "say what is missing or invalid"),
    ("is no target", "'invalid PSNR target of -3 dB'"),
    ("opinion", "logit"),
    ("share of 2^16", "probability in units of 2^-16"),
    ("promise", "guarantee"),
    ("which is no number", "which is not a number"),
    ("refused with a sentence", "refused, with the reason"),
    ("ends in a sentence", "ends in an error"),
];
/// Files of these kinds below a folder.
fn files(folder: &Path, kinds: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("results") {
            files(&path, kinds, found);
        } else if path.extension().is_some_and(|e| kinds.iter().any(|kind| e == *kind)) {
            found.push(path);
        }
    }
}

#[test]
fn words_of_the_field_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "cpp", "plugin", "docs", "examples", "xtask/src", "benches", "fuzz", "tests"] {
        files(&root.join(folder), &["rs", "md", "h", "cpp", "cxx", "cu", "cuh", "xml", "py"], &mut found);
    }
    for name in ["README.md", "CONTRIBUTING.md", "FORMAT.md", "CHANGELOG.md", "SECURITY.md", "Cargo.toml"] {
        found.push(root.join(name));
    }
    assert!(found.len() > 300, "{} files", found.len());
    let mut wrong = Vec::new();
    for path in found.iter().filter(|path| !path.ends_with("tests/words.rs")) {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // A phrase may be broken between two lines, within a comment too.
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let next = lines
                .get(number + 1)
                .map_or("", |next| next.trim_start_matches([' ', '/', '!', '*', '#', '-', '>']));
            let joined = format!("{} {next}", line.trim_end());
            for (word, instead) in WORDS {
                let capital = word[..1].to_uppercase() + &word[1..];
                let at = [word, &capital].into_iter().filter_map(|word| joined.find(word)).min();
                // In the next line it is found when that line's turn comes; "compromise" is another word.
                if at.is_some_and(|at| at < line.trim_end().len() && !joined[..at].ends_with("com")) {
                    wrong.push(format!("{}:{}: '{word}': {instead}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_stays_short() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(text.lines().count() <= 130, "{} lines", text.lines().count());
}
