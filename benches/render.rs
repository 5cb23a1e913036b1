//! `cargo bench --bench render -- [--bone] FILE.nvol...`: pictures of 512x512 pixels straight from files, with an opaque table (or the
//! preset for bones): the first one, the whole one, one that is turned, and those while moving; with what was decoded for the whole one.
//!
//! Every figure is the median of several runs, with their range: the machine may be shared.

mod timing;

use neuvol::NeuralVolume;
use neuvol::render::{Camera, Preset, Renderer, Scene, TransferFunction, View};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use timing::{RUNS, timed};

const SIZE: [usize; 2] = [512; 2];
/// What a moving picture may take.
const MOVING: Duration = Duration::from_millis(200);

fn main() {
    println!("{} threads; medians of {RUNS} runs, with their range\n", rayon::current_num_threads());
    println!("| what | median | range |\n|---|---|---|");
    // Cargo itself passes `--bench`.
    let (options, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let bones = options.iter().any(|option| option == "--bone");
    files.iter().for_each(|file| render(Path::new(file), bones));
}

fn render(file: &Path, bones: bool) {
    let open = || Arc::new(NeuralVolume::open(file).expect("a file to read"));
    let name = file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let scene = match bones {
        true => Scene::new(Preset::Bone.transfer_function()),
        false => Scene::new(opaque(&open())),
    };
    let bounds = Renderer::new(open()).bounds();
    let view = |azimuth: f64| -> View {
        Camera::around(&bounds, azimuth, 15.0, 1.0).view(&bounds, SIZE).expect("a view")
    };
    let whole = |renderer: &Renderer, azimuth: f64| {
        renderer.render(&view(azimuth), &scene, None, &mut |_| ControlFlow::Continue(())).expect("a picture")
    };
    let row = |what: &str, times: [f64; 3]| {
        let [median, least, most] = times.map(|s| s * 1e3);
        println!("| {name}: {what} | {median:.0} ms | {least:.0}..{most:.0} |");
    };
    row(
        "opening and the first picture",
        timed(|| {
            let mut first = |image| {
                black_box(image);
                ControlFlow::Break(())
            };
            Renderer::new(open()).refine(&view(30.0), &scene, None, &mut first).expect("a picture");
        }),
    );
    row("opening and the whole picture", timed(|| drop(black_box(whole(&Renderer::new(open()), 30.0)))));
    let (volume, mut azimuth) = (open(), 30.0);
    let renderer = Renderer::new(volume.clone());
    let statistics = whole(&renderer, azimuth).statistics;
    let decoded = 100.0 * volume.evaluated() as f64 / volume.info().voxels() as f64;
    println!(
        "| {name}: decoded for it, what is around blocks included | {decoded:.0} % of the voxels | {} of {} blocks |",
        statistics.decoded, statistics.blocks
    );
    row(
        "turned, blocks kept",
        timed(|| {
            azimuth += 1.0;
            black_box(whole(&renderer, azimuth));
        }),
    );
    let mut made = None;
    let moving = timed(|| {
        azimuth += 1.0;
        let mut go_on = |_| ControlFlow::Continue(());
        made = renderer.render_within(&view(azimuth), &scene, None, MOVING, &mut go_on).ok();
    });
    let made = made.expect("a picture");
    row(&format!("moving, level {}, {}x{} pixels", made.level, made.size[0], made.size[1]), moving);
}

/// Nothing below a third of the range, and nearly everything above.
fn opaque(volume: &NeuralVolume) -> TransferFunction {
    let (low, high) = volume.info().range.expect("a volume with values");
    let at = |share: f64| low + share * (high - low);
    let colours = vec![(at(0.3), [0.7, 0.4, 0.3]), (at(1.0), [1.0, 1.0, 0.9])];
    TransferFunction::new(colours, vec![(at(0.3), 0.0), (at(0.4), 0.9)]).expect("a transfer function")
}
