//! What lies in a folder beside the images that are read: pictures of other formats, what systems leave behind.

use std::path::{Path, PathBuf};

/// Names in a warning.
const MOST_NAMES: usize = 3;

/// Pictures by their names' ends.
const PICTURES: [&str; 7] = ["tif", "tiff", "png", "jpg", "jpeg", "bmp", "gif"];

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether macOS made a file beside the ones that were copied: the fork of one (`._NAME`), or a folder's view.
pub(super) fn is_of_macos(path: &Path) -> bool {
    let name = name_of(path);
    name.starts_with("._") || is_a_view(path)
}

/// Whether a system keeps in a file how it shows the folder: nobody's data, and in every folder that was looked at.
pub(super) fn is_a_view(path: &Path) -> bool {
    matches!(name_of(path).as_str(), ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

/// Whether a file's name is a TIFF file's.
pub(super) fn is_named_tiff(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"))
}

fn is_picture(path: &Path) -> bool {
    path.extension().is_some_and(|e| PICTURES.iter().any(|picture| e.eq_ignore_ascii_case(picture)))
}

/// The files that are passed over.
#[derive(Default, PartialEq, Debug)]
struct LeftOut {
    pictures: Vec<PathBuf>,
    forks: usize,
}

impl LeftOut {
    fn add(&mut self, folder: &Path) {
        // Who cannot list a folder says so where its images are read.
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if is_of_macos(&path) {
                self.forks += usize::from(!is_a_view(&path));
            } else if is_picture(&path) && !is_named_tiff(&path) {
                self.pictures.push(path);
            }
        }
    }

    fn sentence(mut self) -> Option<String> {
        self.pictures.sort();
        let mut parts = Vec::new();
        if !self.pictures.is_empty() {
            let names: Vec<String> =
                self.pictures.iter().take(MOST_NAMES).map(|path| name_of(path)).collect();
            let more = if self.pictures.len() > names.len() { ", ..." } else { "" };
            let noun = if self.pictures.len() == 1 { "picture" } else { "pictures" };
            parts.push(format!("{} other {noun} ({}{more})", self.pictures.len(), names.join(", ")));
        }
        if self.forks > 0 {
            let noun = if self.forks == 1 { "fork" } else { "forks" };
            parts.push(format!("{} {noun} of macOS (._*)", self.forks));
        }
        (!parts.is_empty()).then(|| format!("left out: {}", parts.join(", and ")))
    }
}

/// Says which pictures a folder of TIFF files holds beside these.
pub(super) fn say_what_is_left_out(folder: &Path) {
    let mut left_out = LeftOut::default();
    left_out.add(folder);
    if let Some(sentence) = left_out.sentence() {
        log::warn!("{}: {sentence}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_forks_are_counted_and_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "._a.png", ".DS_Store", "notes.txt", "b.TIF", "image"] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        let mut all = LeftOut::default();
        all.add(folder.path());
        assert_eq!((all.pictures.len(), all.forks), (1, 1));
        let sentence = all.sentence().unwrap();
        assert!(sentence.contains("1 other picture (a.png), and 1 fork of macOS"), "{sentence}");
        assert_eq!(LeftOut::default().sentence(), None);
    }
}
