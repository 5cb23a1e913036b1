//! Tables for people, and curves.

use super::bjontegaard::{Point, mean_size_ratio};
use super::printed;
use super::results::{Kind, Missed, Results, Row};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Compressors that are not ours, in the tables' order.
const PEERS: [&str; 5] = ["SPERR", "SZ3", "ZFP", "tthresh", printed::CODEC];
const OURS: &str = "neuvol";

pub(crate) struct Report<'a> {
    pub(crate) results: &'a Results,
    pub(crate) folder: &'a Path,
}

impl Report<'_> {
    /// Writes the Markdown file, and a picture a volume with PSNR targets, which `draw` makes of its description in JSON.
    pub(crate) fn write(&self, draw: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
        for volume in self.results.volumes() {
            if self.results.of(volume, Kind::Psnr).next().is_some() {
                let json = tempfile::NamedTempFile::new().context("a temporary file")?;
                fs::write(json.path(), self.drawing(volume).to_string()).context("a temporary file")?;
                draw(json.path(), &self.folder.join(self.picture(volume)))?;
            }
        }
        let path = self.folder.join(format!("{}.md", self.results.header.stem()));
        fs::write(&path, self.markdown()).with_context(|| format!("writing {}", path.display()))
    }

    fn picture(&self, volume: &str) -> String {
        format!("{}-{volume}.png", self.results.header.stem())
    }

    fn drawing(&self, volume: &str) -> serde_json::Value {
        let curve = |codec: &&str| {
            let points: Vec<(f64, f64)> = self
                .results
                .of(volume, Kind::Psnr)
                .filter(|r| r.codec == **codec)
                .filter_map(|r| Some((r.ratio_float32, r.psnr_db?)))
                .collect();
            serde_json::json!({ "name": codec, "points": points })
        };
        let header = &self.results.header;
        serde_json::json!({
            "title": format!("{volume}: PSNR against ratio"),
            "x": "ratio against float32",
            "y": "PSNR in dB",
            "x_is_logarithmic": true,
            "curves": self.codecs(volume, Kind::Psnr).iter().map(curve).collect::<Vec<_>>(),
            "settings": [
                ["program", format!("neuvol {} at {}", header.version, header.commit)],
                ["date", header.date],
                ["machine", header.machine],
                ["peers", header.peers],
            ],
        })
    }

    /// Ours first.
    fn codecs(&self, volume: &str, kind: Kind) -> Vec<&str> {
        let mut codecs: Vec<&str> = Vec::new();
        for row in self.results.of(volume, kind) {
            if !codecs.contains(&row.codec.as_str()) {
                codecs.push(&row.codec);
            }
        }
        codecs.sort_by_key(|c| !c.starts_with(OURS));
        codecs
    }

    fn markdown(&self) -> String {
        let header = &self.results.header;
        let mut text = format!(
            "# Rate and distortion, {}\n\nMade by `cargo xtask rd`.\n\n- neuvol {} at commit {}\n- machine: {}\n- peers: {}\n",
            header.date, header.version, header.commit, header.machine, header.peers
        );
        text += CONVENTIONS;
        if self.results.rows.iter().any(|r| r.codec == printed::CODEC) {
            let _ = writeln!(text, "- {}.", printed::SOURCE);
        }
        if self.results.rows.iter().any(|r| r.kind == Kind::Psnr) {
            text += "\n## Size at equal PSNR, ours by theirs\n\n";
            text += "Below 1 our files are smaller. In parentheses the PSNRs that it is the mean over: only those that both reached. \
                     The last row is the geometric mean over the volumes that have a figure.\n\n";
            text += &self.size_ratios();
            text += &self.missed();
            text += "\n## PSNR targets\n";
            for volume in self.results.volumes() {
                text += &self.psnr_table(volume);
            }
        }
        if self.results.rows.iter().any(|r| r.kind == Kind::Bound) {
            text += "\n## Bounded errors: size of `neuvol --max-error` by theirs\n\nBelow 1 our file is smaller.\n\n";
            text += &self.bound_ratios();
            text += "\n## Bounded errors\n\n";
            text += &self.bound_table();
        }
        if !self.results.rows.iter().any(|r| r.kind == Kind::Psnr) {
            text += &self.missed();
        }
        text
    }

    fn missed(&self) -> String {
        let mut text = String::new();
        for m in &self.results.missed {
            let Missed { volume, target, codec, why } = m;
            let _ = writeln!(text, "- **not met**: {volume} {target}, {codec}: {why}");
        }
        if text.is_empty() { text } else { format!("\n{text}") }
    }

    fn size_ratios(&self) -> String {
        let mut presets: Vec<&str> = Vec::new();
        let mut peers: Vec<&str> = Vec::new();
        let volumes = self.results.volumes();
        for volume in &volumes {
            for codec in self.codecs(volume, Kind::Psnr) {
                let list = if codec.starts_with(OURS) { &mut presets } else { &mut peers };
                if !list.contains(&codec) {
                    list.push(codec);
                }
            }
        }
        peers.sort_by_key(|p| PEERS.iter().position(|q| q == p));
        let mut rows = Vec::new();
        for preset in presets {
            let mut columns: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
            for volume in &volumes {
                let ours = self.curve(volume, preset);
                if ours.is_empty() {
                    continue;
                }
                let mut row = vec![(*volume).to_owned(), preset.to_owned()];
                for (peer, column) in peers.iter().zip(&mut columns) {
                    let ratio = mean_size_ratio(&ours, &self.curve(volume, peer));
                    column.extend(ratio.map(|r| r.ratio));
                    let range = ratio.map(|r| format!("{:.3} ({:.1}..{:.1} dB)", r.ratio, r.low, r.high));
                    row.push(range.unwrap_or_default());
                }
                rows.push(row);
            }
            let mut row = vec!["mean".to_owned(), preset.to_owned()];
            row.extend(columns.iter().map(|column| number(geometric_mean(column), 3)));
            rows.push(row);
        }
        table(&[&["volume", "ours"], peers.as_slice()].concat(), &rows)
    }

    fn curve(&self, volume: &str, codec: &str) -> Vec<Point> {
        let rows = self.results.of(volume, Kind::Psnr).filter(|r| r.codec == codec);
        rows.filter_map(|r| Some((r.psnr_db?, r.bytes as f64))).collect()
    }

    fn psnr_table(&self, volume: &str) -> String {
        let rows: Vec<Vec<String>> = self
            .sorted(volume, Kind::Psnr)
            .into_iter()
            .map(|r| {
                let mut row = vec![r.target.clone(), r.codec.clone(), psnr(r)];
                row.extend(size(r));
                row.extend(times(r));
                row.push(number(r.max_error_of_range.map(|e| 100.0 * e), 2));
                row
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        let columns = [
            "target, dB",
            "codec",
            "PSNR, dB",
            "bytes",
            "ratio to float32",
            "encode, s",
            "decode, s",
            "largest error, % of range",
        ];
        format!("\n### {volume}\n\n{}\n![Curves]({})\n", table(&columns, &rows), self.picture(volume))
    }

    fn bound_ratios(&self) -> String {
        let mut rows = Vec::new();
        for volume in self.results.volumes() {
            for ours in self.results.of(volume, Kind::Bound).filter(|r| r.codec.starts_with(OURS)) {
                let mut row = vec![volume.to_owned(), ours.target.clone(), ratio(ours.ratio_float32)];
                for peer in ["SPERR", "SZ3", "ZFP"] {
                    // With rounding where that is better for them.
                    let theirs = self
                        .results
                        .of(volume, Kind::Bound)
                        .filter(|r| r.target == ours.target && r.codec.split(',').next() == Some(peer))
                        .min_by_key(|r| r.bytes);
                    row.push(theirs.map_or(String::new(), |r| ratio(r.ratio_float32)));
                    row.push(number(theirs.map(|r| ours.bytes as f64 / r.bytes as f64), 3));
                }
                rows.push(row);
            }
        }
        let columns = [
            "volume",
            "bound",
            "neuvol, ratio",
            "SPERR, ratio",
            "ours by SPERR",
            "SZ3, ratio",
            "ours by SZ3",
            "ZFP, ratio",
            "ours by ZFP",
        ];
        table(&columns, &rows)
    }

    fn bound_table(&self) -> String {
        let mut rows = Vec::new();
        for volume in self.results.volumes() {
            for r in self.sorted(volume, Kind::Bound) {
                let mut row = vec![volume.to_owned(), r.target.clone(), r.codec.clone()];
                row.extend(size(r));
                row.push(psnr(r));
                row.push(number(r.max_error_of_bound, 4));
                row.push(r.max_error_of_bound.map_or("", |e| if e <= 1.0 { "yes" } else { "**no**" }).into());
                row.extend(times(r));
                rows.push(row);
            }
        }
        let columns = [
            "volume",
            "bound",
            "codec",
            "bytes",
            "ratio to float32",
            "PSNR, dB",
            "largest error by bound",
            "kept",
            "encode, s",
            "decode, s",
        ];
        table(&columns, &rows)
    }

    /// By target in the order of measuring, then ours first.
    fn sorted(&self, volume: &str, kind: Kind) -> Vec<&Row> {
        let mut targets: Vec<&str> = self.results.of(volume, kind).map(|r| r.target.as_str()).collect();
        targets.sort_by(|a, b| {
            let value = |t: &str| t.trim_end_matches('%').parse::<f64>().unwrap_or(0.0);
            let order = value(a).total_cmp(&value(b));
            if kind == Kind::Bound { order.reverse() } else { order }
        });
        targets.dedup();
        let codecs = self.codecs(volume, kind);
        let mut rows: Vec<&Row> = self.results.of(volume, kind).collect();
        rows.sort_by_key(|r| {
            let place = |list: &[&str], name: &str| list.iter().position(|n| *n == name);
            (place(&targets, &r.target), place(&codecs, &r.codec))
        });
        rows
    }
}

const CONVENTIONS: &str = "\
- PSNR is 20 log10((max - min) / RMSE) over the original's full range, in float64 over unmasked voxels, of the decoded file. \
Ratios are against float32; bytes are whole files for us, and the stored chunk alone for SPERR, SZ3 and ZFP.
- Masked voxels (fill values, NaN, infinities) count for nobody. The peers know no mask: they get the mean of the neighbours there, \
from the shore inwards, and their sizes hold no mask; ours do.
- PSNR targets: SPERR, SZ3 and ZFP have their point-wise tolerance bisected until the PSNR is nearest to the target; we are asked \
for at least the target. ZFP's tolerances are powers of two.
- Size at equal PSNR: the exponential of the mean difference of ln(bytes) over the PSNRs that both curves cover (Bjontegaard), \
between points the monotone piecewise cubic of Fritsch, Carlson and Butland.
- Bounds: the peers' tolerance is the bound. Where samples are integers and floor(bound) + 0.499 is more, `rounded` has that \
tolerance and its decoded samples are rounded. Largest errors are those of decoded files, in float64.
- Seconds are of one run, reading and writing of volumes excluded; ours include the search for the target. Peers run on one thread.
";

fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |v| format!("{v:.digits$}"))
}

fn ratio(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}:1") } else { format!("{value:.0}:1") }
}

fn size(row: &Row) -> [String; 2] {
    [row.bytes.to_string(), ratio(row.ratio_float32)]
}

fn times(row: &Row) -> [String; 2] {
    [row.encode_seconds, row.decode_seconds].map(|s| number(s, 2))
}

fn psnr(row: &Row) -> String {
    row.psnr_db.map_or_else(|| "exact".into(), |p| format!("{p:.2}"))
}

fn geometric_mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|v| v.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::super::results::Header;
    use super::*;

    fn row(kind: Kind, target: &str, codec: &str, psnr: f64, bytes: u64, of_bound: Option<f64>) -> Row {
        Row {
            volume: "tooth".into(),
            kind,
            target: target.into(),
            codec: codec.into(),
            psnr_db: Some(psnr),
            bytes,
            ratio_float32: 1e6 / bytes as f64,
            encode_seconds: Some(1.0),
            decode_seconds: None,
            max_error_of_range: None,
            max_error_of_bound: of_bound,
        }
    }

    #[test]
    fn a_report_has_the_ratios_and_says_what_is_not_kept() {
        let header = Header {
            date: "2026-01-02".into(),
            version: "1.2.3".into(),
            commit: "abc".into(),
            machine: "m".into(),
            peers: "p".into(),
        };
        let rows = vec![
            row(Kind::Psnr, "40", "SZ3", 40.0, 4000, None),
            row(Kind::Psnr, "34", "SZ3", 34.0, 1000, None),
            row(Kind::Psnr, "34", "neuvol fast", 34.0, 500, None),
            row(Kind::Psnr, "40", "neuvol fast", 40.0, 2000, None),
            row(Kind::Bound, "1%", "neuvol", 45.0, 3000, Some(0.9)),
            row(Kind::Bound, "1%", "SZ3", 45.0, 2500, Some(1.25)),
            row(Kind::Bound, "1%", "SZ3, rounded", 45.0, 2000, Some(1.0)),
        ];
        let [volume, target, codec, why] = ["tooth", "52", "neuvol fast", "too noisy"].map(str::to_owned);
        let missed = vec![Missed { volume, target, codec, why }];
        let results = Results { header, rows, missed };
        let text = Report { results: &results, folder: Path::new(".") }.markdown();
        for line in [
            "| volume | ours | SZ3 |",
            "| tooth | neuvol fast | 0.500 (34.0..40.0 dB) |",
            "- **not met**: tooth 52, neuvol fast: too noisy",
            "| mean | neuvol fast | 0.500 |",
            "| tooth | 1% | 333:1 |  |  | 500:1 | 1.500 |  |  |",
            "| tooth | 1% | SZ3 | 2500 | 400:1 | 45.00 | 1.2500 | **no** | 1.00 |  |",
            "![Curves](2026-01-02-1.2.3-abc-tooth.png)",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        let order = ["| 34 | neuvol fast", "| 34 | SZ3", "| 40 | neuvol fast", "| 40 | SZ3"];
        let places = order.map(|line| text.find(line).expect(line));
        assert!(places.is_sorted(), "{places:?}");
    }
}
