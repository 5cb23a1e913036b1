//! Results as CSV and as Markdown.

use super::settings::Settings;
use std::fmt::Write as _;

/// Columns and rows of text.
#[derive(Debug, Clone)]
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// # Panics
    /// When the row has another number of cells than there are columns.
    pub(super) fn add(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.columns.len(), "a cell a column: {row:?}");
        self.rows.push(row);
    }

    /// Settings as comments, a line of names, a line a row (RFC 4180).
    pub(super) fn csv(&self, settings: &Settings) -> String {
        let mut text = String::new();
        for line in settings.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let names = self.columns.iter().map(|c| (*c).to_owned()).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
            let _ = writeln!(text, "{}", cells.join(","));
        }
        text
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|{}\n", self.columns.join(" | "), "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.into() }
}

/// A number with so many digits; nothing for an absent number.
pub(super) fn number(value: impl Into<Option<f64>>, digits: usize) -> String {
    value.into().map_or(String::new(), |v| format!("{v:.digits$}"))
}

/// `40:1` in tables.
pub(super) fn ratio(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}:1") } else { format!("{value:.0}:1") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_are_quoted() {
        let mut table = Table::new(&["name", "value"]);
        table.add(vec!["a, \"b\"".into(), number(1.25, 1)]);
        let mut settings = Settings::default();
        settings.add("epochs", 5);
        assert_eq!(table.csv(&settings), "# epochs: 5\nname,value\n\"a, \"\"b\"\"\",1.2\n");
        assert_eq!(table.markdown(), "| name | value |\n|---|---|\n| a, \"b\" | 1.2 |\n");
    }
}
