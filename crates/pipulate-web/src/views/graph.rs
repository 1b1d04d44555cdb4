//! A small graph of a service's resource usage, drawn as a picture that needs no script.

use maud::{Markup, html};

const WIDTH: f64 = 90.0;
const HEIGHT: f64 = 24.0;

/// A graph of values at these seconds, oldest first: from edge to edge, and no higher than `top`. `words`
/// describe it for screen readers. One point is no line: its place stays empty.
pub(crate) fn graph(points: &[(f64, f64)], top: f64, words: &str) -> Markup {
    let span = points.first().zip(points.last()).map(|((first, _), (last, _))| (*first, last - first));
    let Some((begin, length)) = span.filter(|(_, length)| *length > 0.0) else {
        return html! { div class="graph" {} };
    };
    let place = |(second, value): &(f64, f64)| {
        let height = HEIGHT - 1.0 - value / top * (HEIGHT - 2.0);
        format!("{:.1},{height:.1}", (second - begin) / length * WIDTH)
    };
    let line = points.iter().map(place).collect::<Vec<_>>().join(" ");
    html! {
        div class="graph" {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(words) {
                polygon points={ "0," (HEIGHT) " " (line) " " (WIDTH) "," (HEIGHT) } {}
                polyline points=(line) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_from_edge_to_edge_and_what_is_most_is_highest() {
        let picture = graph(&[(2.0, 0.0), (4.0, 50.0), (10.0, 100.0)], 100.0, "CPU").into_string();
        assert!(picture.contains(r#"<polyline points="0.0,23.0 22.5,12.0 90.0,1.0">"#), "{picture}");
        assert!(picture.contains(r#"viewBox="0 0 90 24""#), "{picture}");
    }

    #[test]
    fn before_there_is_a_line_nothing_is_said() {
        for points in [&[][..], &[(1.0, 1.0)], &[(1.0, 1.0), (1.0, 2.0)]] {
            assert_eq!(graph(points, 2.0, "CPU").into_string(), r#"<div class="graph"></div>"#);
        }
    }
}
