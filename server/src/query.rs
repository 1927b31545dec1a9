//! One parameter of a URL's query.

use std::borrow::Cow;

/// The value of the first parameter with this name, decoded as `application/x-www-form-urlencoded`. It skips other parameters without
/// decoding them, because opening a stream looks up several, and one of the others may hold a hundred channels.
pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    query.split('&').find_map(|pair| {
        let written = pair.split_once('=').map_or(pair, |(written, _)| written);
        let may_be = written == name || written.contains(['%', '+']);
        let (decoded, value) = may_be.then(|| form_urlencoded::parse(pair.as_bytes()).next())??;
        (decoded == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_what_a_whole_decoding_finds() {
        let queries =
            ["", "a", "a=", "a=1&a=2", "b=1&&a=x+y%20z", "%61=1", "a%3D=1&a=%C3%28", "+a=1&=a&a=b=c", "aa=1&A=2"];
        for query in queries {
            for name in ["a", "b", "", "aa", "a=", " a"] {
                let whole = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
                assert_eq!(parameter(query, name), whole.map(|(_, value)| value), "{name:?} in {query:?}");
            }
        }
    }
}
