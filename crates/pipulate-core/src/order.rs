//! The start order of services that need each other.

use std::collections::HashMap;

use crate::service::ServiceName;

/// Services in groups, each of which needs only earlier groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layers {
    /// Positions in the list that was given, in its order within each group.
    pub groups: Vec<Vec<usize>>,
    /// Positions of services that are part of a cycle, or that need one that is.
    pub circular: Vec<usize>,
}

/// Sorts services by their needs, in time proportional to the number of services and needs. Needs
/// outside of the list don't count.
pub fn layers<'a>(services: &[ServiceName], needs: impl Fn(&ServiceName) -> &'a [ServiceName]) -> Layers {
    let positions: HashMap<&ServiceName, usize> = services.iter().zip(0..).collect();
    // How many needs of each service are not in a group yet, and which services need it.
    let mut open = vec![0_usize; services.len()];
    let mut needed_by = vec![Vec::new(); services.len()];
    for (position, service) in services.iter().enumerate() {
        for needed in needs(service).iter().filter_map(|needed| positions.get(needed)) {
            open[position] += 1;
            needed_by[*needed].push(position);
        }
    }
    let mut group: Vec<usize> = (0..services.len()).filter(|&position| open[position] == 0).collect();
    let mut groups = Vec::new();
    while !group.is_empty() {
        let mut next = Vec::new();
        for &dependant in group.iter().flat_map(|&position| &needed_by[position]) {
            open[dependant] -= 1;
            if open[dependant] == 0 {
                next.push(dependant);
            }
        }
        next.sort_unstable();
        groups.push(std::mem::replace(&mut group, next));
    }
    let circular = (0..services.len()).filter(|&position| open[position] > 0).collect();
    Layers { groups, circular }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn names(names: &[&str]) -> Vec<ServiceName> {
        names.iter().map(|name| ServiceName::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_circle_and_what_needs_it_are_left_over() {
        let services = names(&["a", "b", "c", "d", "e"]);
        let needs =
            [names(&["b", "b", "elsewhere"]), names(&[]), names(&["d"]), names(&["c"]), names(&["d"])];
        let of = |service: &ServiceName| &needs[services.iter().position(|one| one == service).unwrap()][..];
        let found = layers(&services, of);
        assert_eq!(found, Layers { groups: vec![vec![1], vec![0]], circular: vec![2, 3, 4] });
    }

    #[test]
    fn each_services_needs_are_asked_for_once() {
        let services: Vec<ServiceName> =
            (0..200).map(|number| ServiceName::parse(&format!("s{number:03}")).unwrap()).collect();
        let asked = Cell::new(0);
        let found = layers(&services, |service| {
            asked.set(asked.get() + 1);
            &services[..services.iter().position(|one| one == service).unwrap()]
        });
        assert_eq!((found.groups.len(), found.circular.len(), asked.get()), (200, 0, 200));
    }
}
