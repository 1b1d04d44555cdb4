//! The results of actions, in the words of a page.

use pipulate_core::answer::Line;

use crate::world::{News, Reply, Target, Verb};

/// The result of this action.
pub(crate) fn text(answer: &Reply, target: &Target, verb: Verb) -> String {
    match answer {
        Reply::Done(lines) => done(lines),
        Reply::Asked { is_slow } => {
            let goes_on = if *is_slow { "; that takes long, and continues" } else { "" };
            format!("{}{goes_on}", asked(target, verb))
        }
    }
}

/// The result of a request that another process finished, or that came late.
pub(crate) fn news(told: &News) -> String {
    told.as_deref().map_or_else(ToString::to_string, done)
}

fn done(lines: &[Line]) -> String {
    lines.iter().map(|line| pipulate_words::line(line, &|_, text| text)).collect::<Vec<_>>().join("\n")
}

fn asked(target: &Target, verb: Verb) -> String {
    let others = match (target, verb) {
        (Target::All, Verb::Restart) => "; JupyterLab is skipped while kernels run",
        (Target::All, Verb::Start | Verb::Stop) | (Target::One(_), _) => "",
    };
    let is = if *target == Target::All { "were" } else { "was" };
    format!("{target} {is} asked to {}{others}", verb.word())
}

#[cfg(test)]
mod tests {
    use pipulate_core::service::ServiceName;

    use super::*;

    #[test]
    fn what_goes_on_by_itself_is_said_as_such() {
        let one = Target::One(ServiceName::parse("worker").unwrap());
        let said = |answer, target, verb| text(&answer, target, verb);
        assert_eq!(said(Reply::Asked { is_slow: false }, &one, Verb::Stop), "worker was asked to stop");
        assert_eq!(
            said(Reply::Asked { is_slow: true }, &Target::All, Verb::Restart),
            "all services were asked to restart; JupyterLab is skipped while kernels run; that takes \
             long, and continues"
        );
        let lines = vec![Line::AllUp, Line::Left { services: Vec::new(), processes: 1 }];
        let done = said(Reply::Done(lines), &one, Verb::Start);
        assert_eq!(done, "everything is running already\n1 process left");
    }
}
