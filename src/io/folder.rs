//! What lies in a folder beside the images that are read: pictures of other formats, what macOS leaves behind.

use super::dicom;
use std::path::{Path, PathBuf};

/// Folders nested deeper than this are not entered.
const DEEPEST_FOLDER: usize = 32;
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
    name.starts_with("._") || name == ".DS_Store"
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
    views: usize,
}

impl LeftOut {
    fn add(&mut self, folder: &Path, depth: usize, are_read: &dyn Fn(&Path) -> bool) {
        // Who cannot list a folder says so where its images are read.
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            // Linked folders are not entered, for they may lead back here.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if depth > 0 {
                    self.add(&path, depth - 1, are_read);
                }
            } else if is_of_macos(&path) {
                match name_of(&path) == ".DS_Store" {
                    true => self.views += 1,
                    false => self.forks += 1,
                }
            } else if is_picture(&path) && !are_read(&path) {
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
            let way = if self.pictures.iter().any(|path| is_named_tiff(path)) {
                "; name a TIFF file or its folder alone to read that instead"
            } else {
                ""
            };
            let noun = if self.pictures.len() == 1 { "picture" } else { "pictures" };
            parts.push(format!("{} other {noun} ({}{more}){way}", self.pictures.len(), names.join(", ")));
        }
        if self.forks + self.views > 0 {
            let count = self.forks + self.views;
            let noun = if count == 1 { "file" } else { "files" };
            parts.push(format!("{count} {noun} of macOS (._*, .DS_Store)"));
        }
        (!parts.is_empty()).then(|| format!("left out: {}", parts.join(", and ")))
    }
}

/// Says which pictures a folder of DICOM images (with those below) or of TIFF files holds beside these.
pub(super) fn say_what_is_left_out(folder: &Path, of_dicom: bool) {
    let mut left_out = LeftOut::default();
    match of_dicom {
        true => left_out.add(folder, DEEPEST_FOLDER, &|path| dicom::series::is_dicom(path).unwrap_or(false)),
        false => left_out.add(folder, 0, &is_named_tiff),
    }
    let is_view_alone = left_out.pictures.is_empty() && left_out.forks == 0;
    if let Some(sentence) = left_out.sentence() {
        // Every folder that was opened on a Mac has a view.
        let level = if is_view_alone { log::Level::Info } else { log::Level::Warn };
        log::log!(level, "{}: {sentence}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_forks_are_counted_and_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        for name in ["a.png", "._a.png", ".DS_Store", "notes.txt", "below/b.TIF", "image"] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        let mut all = LeftOut::default();
        all.add(folder.path(), DEEPEST_FOLDER, &|_| false);
        assert_eq!((all.pictures.len(), all.forks, all.views), (2, 1, 1));
        let sentence = all.sentence().unwrap();
        assert!(sentence.contains("2 other pictures (a.png, b.TIF); name a TIFF file"), "{sentence}");
        assert!(sentence.contains("2 files of macOS"), "{sentence}");
        let mut here = LeftOut::default();
        here.add(folder.path(), 0, &is_named_tiff);
        assert_eq!(here.pictures.len(), 1);
        assert_eq!(LeftOut::default().sentence(), None);
    }
}
