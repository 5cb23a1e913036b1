//! What a study was run with: every file that it writes says so.

/// Names and values, in the order in which they were added.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Version and machine.
    pub(super) fn of_this_machine(threads: usize) -> Self {
        let mut settings = Self::default();
        settings.add("program", concat!("neuvol ", env!("CARGO_PKG_VERSION")));
        let used = if threads == 0 { rayon::current_num_threads() } else { threads };
        settings.add("machine", format!("{}, {used} threads", processor()));
        settings
    }

    pub(super) fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// One line each.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    /// What fits below a picture: the first settings, two lines of them.
    pub(super) fn footer(&self) -> Vec<String> {
        const LETTERS: usize = 96;
        let mut lines = vec![String::new()];
        for (name, value) in &self.0 {
            let entry = if name == "program" { value.clone() } else { format!("{name} {value}") };
            let (line, count) = (lines.last_mut().expect("one line"), entry.chars().count());
            if count > LETTERS {
                break;
            } else if line.is_empty() {
                line.push_str(&entry);
            } else if line.chars().count() + 2 + count <= LETTERS {
                line.push_str("; ");
                line.push_str(&entry);
            } else if lines.len() == 2 {
                break;
            } else {
                lines.push(entry);
            }
        }
        lines
    }
}

/// The processor's name where the system says it.
fn processor() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = information.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_is_what_fits() {
        let mut settings = Settings::default();
        settings.add("program", "neuvol 1.2.3");
        settings.add("machine", "m".repeat(70));
        settings.add("epochs", 5);
        settings.add("batch", 8192);
        settings.add("training", "t".repeat(97));
        settings.add("seed", 0);
        let machine = format!("neuvol 1.2.3; machine {}", "m".repeat(70));
        assert_eq!(settings.footer(), [machine, "epochs 5; batch 8192".into()]);
        assert_eq!(settings.lines()[2], "epochs: 5");
    }
}
