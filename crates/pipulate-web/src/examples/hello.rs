//! Hello, World: a page is a function that returns tags.

use super::tags::{Titled, p, titled};

pub(super) fn get() -> Titled {
    titled("Hello World", p("Hello, World!"))
}
