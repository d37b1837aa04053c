//! Holds what a report says, and writes it as Markdown and as a page of HTML that needs nothing else.

use std::fmt::Write as _;

use super::figure::{Figure, number};
use crate::overhead::escape;

/// A table with its title and what is to be said below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// What is to be known before the table is read.
    pub(crate) before: Vec<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) after: Vec<String>,
    /// A picture of the most important column: the names and the figures of its bars.
    pub(crate) bars: Option<Bars>,
}

/// Bars with their ranges.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    pub(crate) unit: &'static str,
    pub(crate) bars: Vec<(String, Figure)>,
}

/// Writes sections as Markdown.
pub(crate) fn markdown(title: &str, sections: &[Section]) -> String {
    let mut out = format!("# {title}\n");
    for section in sections {
        let _ = write!(out, "\n## {}\n\n", section.title);
        for line in &section.before {
            let _ = write!(out, "{line}\n\n");
        }
        if !section.rows.is_empty() {
            row(&mut out, &section.columns);
            row(&mut out, &vec!["---".to_owned(); section.columns.len()]);
            section.rows.iter().for_each(|cells| row(&mut out, cells));
        }
        if !section.after.is_empty() {
            out.push('\n');
        }
        for line in &section.after {
            let _ = writeln!(out, "- {line}");
        }
    }
    out
}

fn row(out: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--quiet:#59636e;--line:#d1d9e0;--bar:#2f6fde;--own:#d9480f}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--quiet:#9198a1;--line:#3d444d;--bar:#6ea8fe;--own:#ff922b}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem}p,li{color:var(--quiet);max-width:60rem}\
div{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:9rem}th{font-weight:600;white-space:normal}\
svg{display:block;margin:1rem 0;max-width:100%}text{font:13px system-ui,sans-serif;fill:var(--ink)}\
rect{fill:var(--bar)}rect.own{fill:var(--own)}line{stroke:var(--ink);stroke-width:1.5}";

/// Writes sections as a page that loads nothing.
pub(crate) fn html(title: &str, sections: &[Section]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head><body><h1>{0}</h1>\n",
        plain(title)
    );
    for section in sections {
        let _ = writeln!(out, "<h2>{}</h2>", plain(&section.title));
        for line in &section.before {
            let _ = writeln!(out, "<p>{}</p>", plain(line));
        }
        if let Some(bars) = &section.bars {
            out.push_str(&picture(bars));
        }
        if !section.rows.is_empty() {
            out.push_str("<div><table><thead><tr>");
            for cell in &section.columns {
                let _ = write!(out, "<th>{}</th>", plain(cell));
            }
            out.push_str("</tr></thead><tbody>\n");
            for cells in &section.rows {
                out.push_str("<tr>");
                for cell in cells {
                    let _ = write!(out, "<td>{}</td>", plain(cell));
                }
                out.push_str("</tr>\n");
            }
            out.push_str("</tbody></table></div>\n");
        }
        if !section.after.is_empty() {
            out.push_str("<ul>\n");
            for line in &section.after {
                let _ = writeln!(out, "<li>{}</li>", plain(line));
            }
            out.push_str("</ul>\n");
        }
    }
    out.push_str("</body></html>\n");
    out
}

/// Draws bars from 0, and the range of the rounds as a line. Those of penstock have a colour of their own.
fn picture(bars: &Bars) -> String {
    const WIDTH: f64 = 440.0;
    const EACH: f64 = 26.0;
    let most = bars.bars.iter().map(|(_, figure)| figure.most).fold(f64::MIN_POSITIVE, f64::max);
    let height = EACH.mul_add(bars.bars.len() as f64, 24.0);
    // A letter is about 7 wide.
    let longest = bars.bars.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let names = (longest as f64).mul_add(7.0, 8.0).max(190.0);
    let total = names + WIDTH + 130.0;
    let mut out =
        format!("<svg width=\"{total}\" height=\"{height}\" viewBox=\"0 0 {total} {height}\" role=\"img\">");
    let _ = write!(out, "<title>{}</title>", plain(bars.unit));
    let _ = write!(out, "<text x=\"{names}\" y=\"14\">{}</text>", plain(bars.unit));
    for (number_of_bar, (name, figure)) in bars.bars.iter().enumerate() {
        let top = EACH.mul_add(number_of_bar as f64, 22.0);
        let middle = top + 9.0;
        let [median, least, end] =
            [figure.median, figure.least, figure.most].map(|value| value / most * WIDTH);
        let own = if name.contains("penstock") { " class=\"own\"" } else { "" };
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect{own} x=\"{names}\" y=\"{top}\" width=\"{median:.1}\" \
             height=\"18\"/><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
            names - 8.0,
            top + 14.0,
            plain(name),
            names + least,
            names + end,
            names + end.max(median) + 8.0,
            top + 14.0,
            number(figure.median),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Returns text for HTML, without the marks of Markdown for emphasis.
fn plain(text: &str) -> String {
    escape(text).replace("**", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Section {
        Section {
            title: "A & B".to_owned(),
            before: vec!["Read this.".to_owned()],
            columns: vec!["load".to_owned(), "µs".to_owned()],
            rows: vec![vec!["a|b".to_owned(), "12".to_owned()]],
            after: vec!["penstock is **0.5** of nginx".to_owned()],
            bars: Some(Bars {
                unit: "µs",
                bars: vec![("penstock".to_owned(), Figure { median: 1.0, least: 0.5, most: 2.0 })],
            }),
        }
    }

    #[test]
    fn markdown_is_a_table_and_its_notes() {
        let expected = "# T\n\n## A & B\n\nRead this.\n\n| load | µs |\n| --- | --- |\n| a\\|b | 12 |\n\n\
                        - penstock is **0.5** of nginx\n";
        assert_eq!(markdown("T", &[section()]), expected);
    }

    #[test]
    fn a_page_escapes_words_draws_bars_and_loads_nothing() {
        let page = html("<T>", &[section()]);
        assert!(page.contains("<title>&lt;T&gt;</title>") && page.contains("A &amp; B"));
        assert!(page.contains("<rect class=\"own\"") && page.contains("is 0.5 of nginx"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
    }
}
