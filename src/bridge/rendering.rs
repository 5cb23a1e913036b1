//! Pictures of an open volume for C++.

use super::volume::OpenVolume;
use super::{Failure, ffi, guard, observed};
use crate::render::{Mode, Renderer, Scene, Shading, TransferFunction, View};
use crate::sample::Region;
use std::time::Duration;

/// Renders an open volume, and keeps decoded blocks from picture to picture.
pub struct OpenRenderer(Renderer);

impl OpenVolume {
    pub(super) fn renderer(&self, cache_bytes: usize) -> Result<Box<OpenRenderer>, Failure> {
        guard(|| Ok(Box::new(OpenRenderer(Renderer::new(self.0.clone()).with_cache(cache_bytes)))))
    }
}

impl OpenRenderer {
    pub(super) fn parts(&self, count: usize) -> Result<Vec<usize>, Failure> {
        guard(|| {
            let parts = self.0.parts(count).into_iter();
            Ok(parts.flat_map(|part| part.start.into_iter().chain(part.end)).collect())
        })
    }

    pub(super) fn render(
        &self,
        view: ffi::View,
        scene: ffi::Scene,
        depth: &[f32],
        rgba: &mut [f32],
        depth_out: &mut [f32],
        observer: &ffi::Observer,
    ) -> Result<ffi::Rendered, Failure> {
        guard(|| {
            let (m, seconds) = (view.world_to_clip, view.seconds);
            let view = View {
                world_to_clip: std::array::from_fn(|row| std::array::from_fn(|column| m[4 * row + column])),
                size: view.size,
            };
            let pixels = view.size[0].saturating_mul(view.size[1]);
            let (rgba, rest) = rgba.as_chunks_mut::<4>();
            if !rest.is_empty() || [rgba.len(), depth_out.len()] != [pixels; 2] {
                let room = [rgba.len(), depth_out.len()];
                return Err(Failure(format!("{pixels} pixels, but room for {room:?} colours and depths")));
            }
            let scene = scene_of(&scene)?;
            let depth = (!depth.is_empty()).then_some(depth);
            let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            let image = observed(observer, |go_on| match seconds > 0.0 {
                true => self.0.render_within(&view, &scene, depth, time, go_on),
                false => self.0.render(&view, &scene, depth, go_on),
            })?;
            rgba[..image.rgba.len()].copy_from_slice(&image.rgba);
            depth_out[..image.depth.len()].copy_from_slice(&image.depth);
            let statistics = image.statistics;
            Ok(ffi::Rendered {
                size: image.size,
                level: image.level,
                blocks: statistics.blocks,
                marched: statistics.marched,
                decoded: statistics.decoded,
            })
        })
    }
}

fn scene_of(scene: &ffi::Scene) -> Result<Scene, Failure> {
    let colours = scene.colours.as_chunks::<4>().0.iter();
    let colours = colours.map(|&[value, r, g, b]| (value, [r as f32, g as f32, b as f32])).collect();
    let opacities =
        scene.opacities.as_chunks::<2>().0.iter().map(|&[value, part]| (value, part as f32)).collect();
    let numbers = |a: &[f64]| [a[0], a[1], a[2]];
    Ok(Scene {
        transfer: TransferFunction::new(colours, opacities)?,
        mode: match scene.mode {
            ffi::BlendMode::MaximumIntensity => Mode::MaximumIntensity,
            ffi::BlendMode::Isosurface => Mode::Isosurface(scene.iso_value),
            _ => Mode::Composite,
        },
        shading: match scene.shading[..] {
            [ambient, diffuse, specular, power] => Some(Shading { ambient, diffuse, specular, power }),
            _ => None,
        },
        level: scene.level,
        step: (scene.step > 0.0).then_some(scene.step),
        unit_distance: (scene.unit_distance > 0.0).then_some(scene.unit_distance),
        clip_box: (scene.clip_box.len() == 6)
            .then(|| [numbers(&scene.clip_box[..3]), numbers(&scene.clip_box[3..])]),
        clip_planes: scene.clip_planes.as_chunks::<4>().0.to_vec(),
        part: match scene.part[..] {
            [x0, y0, z0, x1, y1, z1] => Some(Region { start: [x0, y0, z0], end: [x1, y1, z1] }),
            _ => None,
        },
    })
}
