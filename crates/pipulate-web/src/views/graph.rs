//! A small graph of what a service uses, drawn as a picture that needs no script.

use maud::{Markup, html};

const WIDTH: usize = 90;
const HEIGHT: f64 = 24.0;

/// A graph of these values, the newest at its right edge; its top is `top` or the largest of them.
/// `words` say what it shows, for those who don't see it.
pub(crate) fn graph(values: &[f64], top: f64, words: &str) -> Markup {
    let top = values.iter().copied().fold(top, f64::max);
    let first = WIDTH.saturating_sub(values.len().saturating_sub(1));
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(place, value)| format!("{},{:.1}", first + place, HEIGHT - 1.0 - value / top * (HEIGHT - 2.0)))
        .collect();
    let line = points.join(" ");
    let area = format!("{first},{HEIGHT} {line} {WIDTH},{HEIGHT}");
    html! {
        svg class="graph" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(words) {
            @if values.len() > 1 {
                polygon points=(area) {}
                polyline points=(line) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_is_at_the_right_edge_and_the_largest_at_the_top() {
        let picture = graph(&[0.0, 50.0, 100.0], 1.0, "CPU").into_string();
        assert!(picture.contains(r#"<polyline points="88,23.0 89,12.0 90,1.0">"#), "{picture}");
        assert!(!graph(&[1.0], 1.0, "CPU").into_string().contains("poly"), "one point is no line");
        assert!(graph(&[0.0, 0.0], 1.0, "CPU").into_string().contains("89,23.0 90,23.0"));
    }
}
