//! Draws plots as SVG that takes its colours from the page.

use std::fmt::Write;

/// The size of a plot and of its margins, in units of the drawing.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 310.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 48.0;

/// A curve through points. The class names its colour.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) class: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether each point has a dot, because it was measured by itself.
    pub(crate) dots: bool,
}

/// A position along an axis and the words beside it.
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) words: String,
}

/// The lower and the upper end of an axis, and its ticks.
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<Tick>,
}

impl Axis {
    /// Makes an axis from 0 to at least `most`, with round numbers.
    pub(crate) fn linear(title: &str, most: f64, words: &dyn Fn(f64) -> String) -> Self {
        let step = round_step(most / 5.0);
        let count = (most / step).ceil().max(1.0) as usize;
        let ticks = (0..=count).map(|at| at as f64 * step).map(|at| Tick { at, words: words(at) });
        Self { title: title.to_owned(), low: 0.0, high: count as f64 * step, ticks: ticks.collect() }
    }

    /// Makes an axis of decimal logarithms that holds all values from `least` to `most`.
    pub(crate) fn decades(title: &str, least: f64, most: f64, words: &dyn Fn(f64) -> String) -> Self {
        let (low, high) = (least.max(1e-9).log10(), most.max(1e-9).log10());
        // Steps of 1, 2 and 5 are as good as even on this axis. Few decades leave room for all of them.
        let steps: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let mut values: Vec<f64> = (low.floor() as i32..=high.ceil() as i32)
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .collect();
        let first = values.iter().rposition(|value| value.log10() <= low + 1e-9).unwrap_or(0);
        let last = values.iter().position(|value| value.log10() >= high - 1e-9).unwrap_or(values.len() - 1);
        values = values[first..=last.max(first)].to_vec();
        if values.len() == 1 {
            values.push(values[0] * 2.0);
        }
        let ticks = values.iter().map(|value| Tick { at: value.log10(), words: words(*value) }).collect();
        let (low, high) = (values[0].log10(), values[values.len() - 1].log10());
        Self { title: title.to_owned(), low, high, ticks }
    }

    /// Returns the part of the axis that lies below a value.
    fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low).max(1e-12)).clamp(0.0, 1.0)
    }
}

/// Returns 1, 2 or 5 times a power of ten, at least as large as a raw step.
fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|step| step * power).find(|step| *step >= raw).unwrap_or(10.0 * power)
}

/// Draws curves over two axes.
pub(crate) fn curves(title: &str, x: &Axis, y: &Axis, series: &[Series]) -> String {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let across = |value: f64| LEFT + x.share(value) * (right - LEFT);
    let up = |value: f64| bottom - y.share(value) * (bottom - TOP);
    let mut svg = open(title);
    grid(&mut svg, y, &up);
    for tick in &x.ticks {
        let at = across(tick.at);
        let _ = write!(
            svg,
            r#"<line class="tick" x1="{at:.1}" y1="{bottom}" x2="{at:.1}" y2="{:.1}"/>"#,
            bottom + 4.0
        );
        text(&mut svg, at, bottom + 18.0, "middle", &tick.words);
    }
    text(&mut svg, f64::midpoint(LEFT, right), HEIGHT - 8.0, "middle", &x.title);
    for line in series {
        let points: Vec<String> =
            line.points.iter().map(|(a, b)| format!("{:.1},{:.1}", across(*a), up(*b))).collect();
        let _ = write!(svg, r#"<polyline class="curve {}" points="{}"/>"#, line.class, points.join(" "));
        for (a, b) in line.points.iter().filter(|_| line.dots) {
            let _ = write!(
                svg,
                r#"<circle class="{}" cx="{:.1}" cy="{:.1}" r="3.5"/>"#,
                line.class,
                across(*a),
                up(*b)
            );
        }
    }
    legend(&mut svg, series.iter().map(|line| (line.name.as_str(), line.class)));
    svg.push_str("</svg>");
    svg
}

/// A bar of several parts, one on top of the other.
pub(crate) struct Bar {
    /// The words below the bar, and those below the group of bars that begins with it.
    pub(crate) name: String,
    pub(crate) group: Option<String>,
    /// The height of each part.
    pub(crate) parts: Vec<f64>,
}

/// Draws bars whose parts have these names and classes. `words` writes the sum above each bar.
pub(crate) fn bars(
    title: &str,
    y: &Axis,
    parts: &[(&str, &'static str)],
    bars: &[Bar],
    words: &dyn Fn(f64) -> String,
) -> String {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let up = |value: f64| bottom - y.share(value) * (bottom - TOP);
    let mut svg = open(title);
    grid(&mut svg, y, &up);
    // A group is followed by half a place of nothing.
    let groups = bars.iter().filter(|bar| bar.group.is_some()).count().max(1);
    let place = (right - LEFT) / (bars.len() as f64 + 0.5 * groups as f64).max(1.0);
    let (mut at, mut seen) = (LEFT + place * 0.25, 0);
    for (index, bar) in bars.iter().enumerate() {
        if bar.group.is_some() {
            at += if seen > 0 { place * 0.5 } else { 0.0 };
            seen += 1;
        }
        let (middle, mut sum) = (at + place * 0.5, 0.0);
        for (height, (_, class)) in bar.parts.iter().zip(parts) {
            let (low, high) = (up(sum), up(sum + height));
            let _ = write!(
                svg,
                r#"<rect class="{class}" x="{:.1}" y="{high:.1}" width="{:.1}" height="{:.1}"/>"#,
                at + place * 0.12,
                place * 0.76,
                (low - high).max(0.0)
            );
            sum += height;
        }
        text(&mut svg, middle, up(sum) - 5.0, "middle", &words(sum));
        text(&mut svg, middle, bottom + 15.0, "middle", &bar.name);
        if let Some(group) = &bar.group {
            let size = 1 + bars[index + 1..].iter().take_while(|next| next.group.is_none()).count();
            text(&mut svg, at + place * size as f64 * 0.5, bottom + 32.0, "middle", group);
        }
        at += place;
    }
    legend(&mut svg, parts.iter().copied());
    svg.push_str("</svg>");
    svg
}

fn open(title: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{0}"><title>{0}</title>"#,
        escape(title)
    )
}

/// Draws the lines and the words of the vertical axis, whose title is in the head of the drawing.
fn grid(svg: &mut String, y: &Axis, up: &dyn Fn(f64) -> f64) {
    for tick in &y.ticks {
        let at = up(tick.at);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{:.1}" y2="{at:.1}"/>"#,
            WIDTH - RIGHT
        );
        text(svg, LEFT - 7.0, at + 4.0, "end", &tick.words);
    }
    text(svg, 4.0, 13.0, "start", &y.title);
}

/// Draws the names of the classes in the head of the drawing, from the right.
fn legend<'a>(svg: &mut String, names: impl DoubleEndedIterator<Item = (&'a str, &'static str)>) {
    let mut at = WIDTH - RIGHT;
    for (name, class) in names.rev() {
        // A character is some 6 units wide.
        at -= name.chars().count() as f64 * 6.0 + 5.0;
        text(svg, at, 13.0, "start", name);
        at -= 15.0;
        let _ = write!(svg, r#"<rect class="{class}" x="{at:.1}" y="4" width="11" height="11" rx="2"/>"#);
        at -= 8.0;
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escape(words));
}

/// Returns text for HTML and SVG.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers_around_all_values() {
        let number = |n: f64| format!("{n:.0}");
        let axis = Axis::linear("", 87_000.0, &number);
        let words: Vec<&str> = axis.ticks.iter().map(|tick| tick.words.as_str()).collect();
        assert_eq!(words, ["0", "20000", "40000", "60000", "80000", "100000"]);
        let axis = Axis::decades("", 30.0, 700.0, &number);
        let words: Vec<&str> = axis.ticks.iter().map(|tick| tick.words.as_str()).collect();
        assert_eq!(words, ["20", "50", "100", "200", "500", "1000"]);
        let wide = Axis::decades("", 3.0, 1e6, &number);
        assert_eq!((wide.ticks.len(), wide.low, wide.high), (7, 0.0, 6.0));
        let point = Axis::decades("", 100.0, 100.0, &number);
        assert!(point.high > point.low);
        assert_eq!(Axis::linear("", 0.0, &number).ticks.len(), 2);
    }

    #[test]
    fn points_lie_where_their_values_are() {
        let y = Axis::linear("y", 100.0, &|n| format!("{n:.0}"));
        let x = Axis { title: "x".to_owned(), low: 0.0, high: 1.0, ticks: Vec::new() };
        let line = Series {
            name: "a<b".to_owned(),
            class: "direct",
            points: vec![(0.0, 0.0), (1.0, 100.0)],
            dots: true,
        };
        let svg = curves("t", &x, &y, &[line]);
        assert!(svg.contains(r#"points="62.0,262.0 536.0,34.0""#), "{svg}");
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn bars_stand_on_each_other() {
        let y = Axis::linear("y", 10.0, &|n| format!("{n:.0}"));
        let bar = Bar { name: "one".to_owned(), group: Some("g".to_owned()), parts: vec![5.0, 5.0] };
        let svg = bars("t", &y, &[("a", "proxy"), ("b", "origin")], &[bar], &|n| format!("{n:.0}"));
        assert!(svg.contains(r#"y="148.0""#) && svg.contains(r#"height="114.0""#), "{svg}");
        assert!(svg.contains(r#"y="34.0""#), "{svg}");
    }
}
