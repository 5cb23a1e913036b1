//! The library names the options of its interface; on the command line they are flags.

/// Options by their names in the library, and the flags that set them.
const FLAGS: [(&str, &str); 17] = [
    ("allow_duplicates", "--allow-duplicates"),
    ("allow_gaps", "--allow-gaps"),
    ("allow_outside", "--allow-outside"),
    ("array", "--array"),
    ("component", "--component"),
    ("dims", "--dims"),
    ("focus", "--focus"),
    ("largest_group", "--largest-group"),
    ("like_series", "--like-series"),
    ("limits", "--limit"),
    ("resample_tilt", "--resample-tilt"),
    ("sample_type", "--type"),
    ("series", "--series"),
    ("spacing", "--spacing"),
    ("stored_values", "--stored-values"),
    ("time_step", "--time-step"),
    ("volume", "--volume"),
];

/// A message of the library as a user of the command reads it: "`time_step`" is "--time-step".
pub(super) fn with_flags(message: &str) -> String {
    let mut parts = message.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    // Whether the part is between two of the marks, and whether the mark before it is still to be written.
    let mut quoted = true;
    let mut owed = true;
    for part in parts {
        match FLAGS.iter().find(|(name, _)| quoted && *name == part) {
            Some((_, flag)) => {
                text.push_str(flag);
                owed = false;
            }
            None => {
                if owed {
                    text.push('`');
                }
                text.push_str(part);
                owed = true;
            }
        }
        quoted = !quoted;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_flags_and_other_quotes_stay() {
        for (message, expected) in [
            (
                "it holds 2 volumes; choose one with `time_step` 0 to 1",
                "it holds 2 volumes; choose one with --time-step 0 to 1",
            ),
            ("`volume` 3: no such", "--volume 3: no such"),
            ("give `dims` NX,NY,NZ and `sample_type`", "give --dims NX,NY,NZ and --type"),
            (
                "`spacing` or `neuvol series --json` and `a`b` volume `",
                "--spacing or `neuvol series --json` and `a`b` volume `",
            ),
            ("nothing", "nothing"),
        ] {
            assert_eq!(with_flags(message), expected);
        }
    }

    #[test]
    fn every_option_that_messages_name_has_a_flag() {
        let options = include_str!("../io/mod.rs");
        let fields =
            options.split("pub struct OpenOptions {").nth(1).and_then(|text| text.split("\n}").next());
        for field in fields.unwrap().lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
            let name = field.split(':').next().unwrap();
            let known = FLAGS.iter().any(|(option, _)| *option == name);
            assert!(known || ["fill_value", "progress"].contains(&name), "{name}");
        }
    }
}
