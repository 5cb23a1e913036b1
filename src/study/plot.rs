//! Curves as a PNG picture.

use super::letters;
use super::settings::Settings;
use crate::atomic;
use crate::error::{Error, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontTransform as Turn,
};
use std::path::Path;

/// A picture of curves.
pub(super) struct Plot<'a> {
    pub(super) title: String,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    /// Equal steps along x are equal factors.
    pub(super) x_is_logarithmic: bool,
    pub(super) curves: Vec<Curve>,
}

/// A line through points.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (1200, 800);
/// Text's size in units of a letter's pixels.
const SMALL: i32 = 2;
const LARGE: i32 = 3;

/// Colours that people who see fewer can tell apart (Okabe & Ito 2008), and greys.
const COLOURS: [RGBColor; 9] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(130, 130, 130),
    RGBColor(150, 110, 70),
];

impl Plot<'_> {
    /// Writes the picture; its footer, and the text in the file, name the settings.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn save(&self, path: &Path, settings: &Settings) -> Result<()> {
        let mut pixels = vec![255; (3 * SIZE.0 * SIZE.1) as usize];
        let drawn = self.draw(&mut pixels, &settings.footer());
        drawn.map_err(|what| Error::io(path, std::io::Error::other(what)))?;
        atomic::write(path, |out| {
            let mut encoder = png::Encoder::new(out, SIZE.0, SIZE.1);
            encoder.set_color(png::ColorType::Rgb);
            let written = encoder
                .add_itxt_chunk("Description".into(), settings.lines().join("\n"))
                .and_then(|()| encoder.write_header())
                .and_then(|mut writer| writer.write_image_data(&pixels));
            written.map_err(|e| Error::io(path, std::io::Error::other(e)))
        })
    }

    fn draw(&self, pixels: &mut [u8], footer: &[String]) -> Result<(), String> {
        let place = |x: f64| if self.x_is_logarithmic { x.log10() } else { x };
        let is_shown = |p: &&(f64, f64)| place(p.0).is_finite() && p.1.is_finite();
        let all = || self.curves.iter().flat_map(|c| &c.points).filter(is_shown);
        let (x_low, x_high) = bounds(all().map(|p| place(p.0)));
        let (y_low, y_high) = bounds(all().map(|p| p.1));
        let fail = |e: &dyn std::fmt::Display| e.to_string();

        let area = Canvas(BitMapBackend::with_buffer(pixels, SIZE)).into_drawing_area();
        let style = |size: i32| ("letters", size).into_font().color(&BLACK);
        let legend = 26 * self.curves.len() as i32;
        let bottom = 28 * footer.len() as i32;
        for (line, y) in footer.iter().zip(0..) {
            let at = (12, SIZE.1 as i32 - bottom + 24 * y);
            area.draw_text(line, &style(SMALL).color(&BLACK.mix(0.6)), at).map_err(|e| fail(&e))?;
        }
        let (area, _) = area.split_vertically(SIZE.1 as i32 - bottom - 8);
        let (area, legend_area) = area.split_vertically(SIZE.1 as i32 - bottom - 16 - legend);
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, style(LARGE))
            .margin(16)
            .x_label_area_size(64)
            .y_label_area_size(96)
            .build_cartesian_2d(x_low..x_high, y_low..y_high)
            .map_err(|e| fail(&e))?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.15))
            .label_style(style(SMALL))
            .axis_desc_style(style(SMALL))
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|x| figure(if self.x_is_logarithmic { 10f64.powf(*x) } else { *x }))
            .y_label_formatter(&|y| figure(*y))
            .draw()
            .map_err(|e| fail(&e))?;
        for ((curve, colour), row) in self.curves.iter().zip(COLOURS.iter().cycle()).zip(0..) {
            let points: Vec<_> = curve.points.iter().filter(is_shown).map(|&(x, y)| (place(x), y)).collect();
            let line = LineSeries::new(points.iter().copied(), Color::stroke_width(colour, 3));
            chart.draw_series(line).map_err(|e| fail(&e))?;
            let dots = points.iter().map(|&p| Circle::new(p, 5, colour.filled()));
            chart.draw_series(dots).map_err(|e| fail(&e))?;
            let y = 26 * row + 12;
            let sample = PathElement::new(vec![(110, y), (150, y)], Color::stroke_width(colour, 4));
            legend_area.draw(&sample).map_err(|e| fail(&e))?;
            legend_area.draw_text(&curve.name, &style(SMALL), (162, y - 7)).map_err(|e| fail(&e))?;
        }
        drop(chart);
        area.present().map_err(|e| fail(&e))
    }
}

/// Smallest and largest number, with some room around them.
fn bounds(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), n| (l.min(n), h.max(n)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high > low { 0.06 * (high - low) } else { 0.5 };
    (low - room, high + room)
}

/// A number at an axis, with as many digits as it needs.
fn figure(number: f64) -> String {
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{number:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// A buffer of pixels with our own letters.
struct Canvas<'a>(BitMapBackend<'a>);

type Outcome<'a> = Result<(), DrawingErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

impl<'a> DrawingBackend for Canvas<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Outcome<'a> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Outcome<'a> {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Outcome<'a> {
        self.0.draw_pixel(point, colour)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        lower_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome<'a> {
        self.0.draw_rect(upper_left, lower_right, style, fill)
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Outcome<'a> {
        let scale = scale(style);
        let (width, height) = (letters::width(text) * scale, letters::HEIGHT * scale);
        let Pos { h_pos, v_pos } = style.anchor();
        let left = match h_pos {
            HPos::Left => 0,
            HPos::Center => -width / 2,
            HPos::Right => -width,
        };
        let top = match v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        for (x, y) in letters::pixels(text) {
            for (dx, dy) in (0..scale).flat_map(|dy| (0..scale).map(move |dx| (dx, dy))) {
                let (x, y) = style.transform().transform(left + x * scale + dx, top + y * scale + dy);
                self.0.draw_pixel((at.0 + x, at.1 + y), style.color())?;
            }
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let (width, height) = (letters::width(text) * scale(style), letters::HEIGHT * scale(style));
        let (width, height) = (width as u32, height as u32);
        Ok(match style.transform() {
            Turn::Rotate90 | Turn::Rotate270 => (height, width),
            _ => (width, height),
        })
    }
}

/// Pixels of the picture for one of a letter.
fn scale<S: BackendTextStyle>(style: &S) -> i32 {
    (style.size() as i32).clamp(1, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_and_letters_are_in_the_picture_and_settings_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.png");
        let curve = |name: &str, k: f64| Curve {
            name: name.into(),
            points: (1..9).map(|x| (f64::from(x), k * f64::from(x).ln())).collect(),
        };
        let curves = vec![curve("first", 3.0), curve("second", 4.0)];
        let plot = Plot { title: "A title".into(), x: "seconds", y: "PSNR", x_is_logarithmic: true, curves };
        let mut settings = Settings::default();
        settings.add("epochs", 7);
        plot.save(&path, &settings).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let text = reader.info().utf8_text.first().unwrap().get_text().unwrap();
        assert!(text.contains("epochs: 7"), "{text}");
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let count = |c: RGBColor| pixels.as_chunks::<3>().0.iter().filter(|p| **p == [c.0, c.1, c.2]).count();
        for colour in &COLOURS[..2] {
            assert!(count(*colour) > 1000, "{colour:?}: {}", count(*colour));
        }
        assert_eq!(count(COLOURS[2]), 0);
        // The title, axes and their numbers.
        assert!(count(BLACK) > 2000, "{}", count(BLACK));
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.5, 12.0, 12.34, 250.4, 0.0, -0.001].map(figure);
        assert_eq!(shown, ["0.5", "12", "12.3", "250", "0", "0"]);
    }
}
