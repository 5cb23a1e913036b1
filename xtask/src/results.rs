//! What a test run printed, added up.

/// The numbers of all `test result:` lines, and the tests that said they skip.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    /// Test executables and doc-test runs with at least one test.
    pub(crate) suites: usize,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
    /// What follows `SKIPPED`, each once: `NAME: REASON`.
    pub(crate) skipped: Vec<String>,
}

impl Results {
    /// Number of tests that said they skip something; they count as passed.
    pub(crate) fn skipping(&self) -> usize {
        let mut names: Vec<_> = self.skipped.iter().map(|s| s.split(':').next()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// Takes one line of cargo test's output.
    pub(crate) fn add(&mut self, line: &str) {
        if let Some(numbers) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let before = numbers.split(&format!(" {what}")).next().and_then(|b| b.rsplit(' ').next());
                before.and_then(|n| n.parse().ok()).unwrap_or(0)
            };
            let [passed, failed, ignored] = ["passed", "failed;", "ignored"].map(count);
            self.suites += usize::from(passed + failed + ignored > 0);
            self.passed += passed;
            self.failed += failed;
            self.ignored += ignored;
        } else if let Some(skipped) = line.strip_prefix("SKIPPED ")
            && !self.skipped.iter().any(|s| s == skipped)
        {
            self.skipped.push(skipped.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up_and_a_skip_counts_once() {
        let mut results = Results::default();
        for line in [
            "running 9 tests",
            "SKIPPED nifti_index: NEUVOL_DATA is not set",
            "SKIPPED nifti_index: NEUVOL_PYTHON is not set",
            "SKIPPED nifti_index: NEUVOL_DATA is not set",
            "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "test result: FAILED. 11 passed; 2 failed; 3 ignored; 0 measured; 7 filtered out; finished in 1.00s",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            results.add(line);
        }
        assert_eq!(results.skipping(), 1);
        let skipped = ["DATA", "PYTHON"].map(|name| format!("nifti_index: NEUVOL_{name} is not set")).into();
        assert_eq!(results, Results { suites: 2, passed: 20, failed: 2, ignored: 3, skipped });
    }
}
