//! The README's picture is the one that `neuvol demo` makes.
//!
//! To renew it: `cargo run --release -- demo`, then copy `neuvol-demo/phantom.png` to `docs/demo.png`.

use std::path::Path;
use std::process::Command;

struct Picture {
    width: usize,
    /// Red, green, blue.
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(path: &Path) -> Self {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        let pixels = bytes[..info.buffer_size()].as_chunks::<3>().0.to_vec();
        Self { width: info.width as usize, pixels }
    }

    /// The original, what was decoded, and the error.
    fn panel(&self, n: usize) -> Vec<[u8; 3]> {
        const GAP: usize = 6;
        let width = (self.width - 2 * GAP) / 3;
        let first = n * (width + GAP);
        self.pixels.chunks(self.width).flat_map(|row| row[first..first + width].to_vec()).collect()
    }
}

/// Mean and largest difference, over all channels.
fn difference(one: &[[u8; 3]], other: &[[u8; 3]]) -> (f64, u8) {
    let channels = one.as_flattened().iter().zip(other.as_flattened());
    let differences: Vec<u8> = channels.map(|(a, b)| a.abs_diff(*b)).collect();
    let sum: f64 = differences.iter().map(|&d| f64::from(d)).sum();
    (sum / differences.len() as f64, differences.into_iter().max().unwrap())
}

/// How much colour an error has on average.
fn colour(pixels: &[[u8; 3]]) -> f64 {
    pixels.iter().map(|p| f64::from(255 - p[1])).sum::<f64>() / pixels.len() as f64
}

#[test]
fn the_picture_in_the_readme_is_the_demos() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_neuvol"));
    let output = demo.args(["demo", "-o"]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = Picture::read(&folder.path().join("phantom.png"));
    let kept = Picture::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/demo.png"));
    assert_eq!((made.width, made.pixels.len()), (kept.width, kept.pixels.len()));

    // The phantom is the same everywhere, up to a sine's last bit.
    let (mean, _) = difference(&made.panel(0), &kept.panel(0));
    assert!(mean < 0.01, "the original: {mean}");
    // The same processor gives the same file, whatever its threads; one with other vectors learns another perceptron, which
    // shakes the noise that is left, by up to 28 levels of grey where another seed does. Hash grids were 122 off.
    let (mean, largest) = difference(&made.panel(1), &kept.panel(1));
    assert!(mean < 2.0 && largest <= 60, "what was decoded: {mean} on average, {largest} at most");
    let colours = [&made, &kept].map(|picture| colour(&picture.panel(2)));
    assert!((colours[0] / colours[1] - 1.0).abs() < 0.03, "the error's colours: {colours:?}");
}
