//! From a method and a path to a call, and from a call to its path.
//!
//! Promises: a path has one spelling: its fixed segments are compared as they stand in the request, so `%61dmin` is not
//! `admin`. Only parameters are decoded, once, and are never empty. Must not know: what a call does, tokens.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Access, Call, ENDPOINTS, Endpoint, Row};

/// Why a request names no endpoint.
#[derive(Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// No endpoint has this path.
    NotFound,
    /// Endpoints of this path take these methods.
    MethodNotAllowed(Vec<Method>),
}

/// What a request means.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// What opens it. Where nothing is routed: what opens the endpoints of this path, or the part of the API that the
    /// path lies in.
    pub access: Access,
    /// The endpoint's name; `None`: nothing is routed.
    pub name: Option<&'static str>,
    /// The call.
    pub call: Result<Call, Unrouted>,
}

/// What a request means. It is open only if the rows of its path say so, or if its path lies outside the API.
pub fn route(method: &Method, path: &str) -> Route {
    let mut access = if path.starts_with("/admin/") { Access::Reading } else { Access::Open };
    let mut allowed = Vec::new();
    for row in ENDPOINTS {
        let Some(parameters) = row.parameters_of(path) else { continue };
        if row.method == *method {
            let call = (row.call)(parameters).ok_or(Unrouted::NotFound);
            return Route { access: row.access, name: Some(row.name), call };
        }
        if access == Access::Open {
            access = row.access;
        }
        allowed.push(row.method.clone());
    }
    let unrouted = if allowed.is_empty() { Unrouted::NotFound } else { Unrouted::MethodNotAllowed(allowed) };
    Route { access, name: None, call: Err(unrouted) }
}

/// The path of a request for a call.
pub(crate) fn path_of<E: Endpoint>(endpoint: &E) -> String {
    let mut parameters = endpoint.parameters().into_iter();
    let segments = E::ROW.path.split('/').map(|segment| match parameter_name(segment) {
        Some(_) => utf8_percent_encode(parameters.next().unwrap_or_default(), NON_ALPHANUMERIC).to_string(),
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The name of a parameter, if a segment of a row's path is one.
pub(crate) fn parameter_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl Row {
    /// The parameters in a path; `None`: the path is another endpoint's.
    fn parameters_of(&self, path: &str) -> Option<Vec<String>> {
        if self.path.split('/').count() != path.split('/').count() {
            return None;
        }
        let mut parameters = Vec::new();
        for (expected, given) in self.path.split('/').zip(path.split('/')) {
            match parameter_name(expected) {
                Some(_) if !given.is_empty() => {
                    parameters.push(percent_decode_str(given).decode_utf8().ok()?.into_owned());
                }
                None if given == expected => {}
                _ => return None,
            }
        }
        Some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, CreateUser, GetAccount, GetStatus};
    use super::*;

    fn call_of(method: &Method, path: &str) -> Result<Call, Unrouted> {
        route(method, path).call
    }

    #[test]
    fn what_a_client_calls_is_what_the_server_is_asked() {
        for name in ["ada", "a/b c", "{name}", "ü%2F", ".."] {
            let call = GetAccount { name: name.to_owned() };
            let path = path_of(&call);
            assert_eq!(path.matches('/').count(), 3, "{path}");
            assert_eq!(call_of(&Method::GET, &path), Ok(Call::GetAccount(call)));
        }
        let call = CreateUser { account: "x".to_owned() };
        assert_eq!(path_of(&call), "/admin/accounts/x/users");
        assert_eq!(call_of(&Method::POST, "/admin/accounts/x/users"), Ok(Call::CreateUser(call)));
        assert_eq!(call_of(&Method::GET, "/admin/status"), Ok(Call::GetStatus(GetStatus {})));
    }

    #[test]
    fn wrong_paths_and_wrong_methods_differ() {
        for path in ["/", "/admin", "/admin/", "/admin/nothing", "/admin/status/", "/admin/accounts/", "/admin/a%FF"] {
            assert_eq!(call_of(&Method::GET, path), Err(Unrouted::NotFound), "{path}");
        }
        let allowed = |methods: &[Method]| Err(Unrouted::MethodNotAllowed(methods.to_vec()));
        assert_eq!(call_of(&Method::PUT, "/admin/accounts"), allowed(&[Method::GET, Method::POST]));
        assert_eq!(call_of(&Method::POST, "/admin/accounts/x"), allowed(&[Method::GET, Method::DELETE]));
        assert_eq!(call_of(&Method::DELETE, "/health"), allowed(&[Method::GET]));
    }

    #[test]
    fn a_path_has_one_spelling() {
        for row in ENDPOINTS {
            for (at, letter) in row.path.char_indices().filter(|(_, letter)| letter.is_ascii_lowercase()) {
                let fixed_before = row.path.get(..at).unwrap_or_default();
                if fixed_before.matches('{').count() > fixed_before.matches('}').count() {
                    continue;
                }
                let after = row.path.get(at + 1..).unwrap_or_default();
                let path = format!("{fixed_before}%{:02x}{after}", u32::from(letter));
                assert_eq!(call_of(&row.method, &path), Err(Unrouted::NotFound), "{path}");
            }
        }
    }

    #[test]
    fn only_rows_that_say_so_are_open() {
        for row in ENDPOINTS {
            assert_eq!(row.access == Access::Open, !row.path.starts_with("/admin/"), "{}", row.path);
            for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD] {
                let path = row.path.replace(['{', '}'], "");
                let is_open = route(&method, &path).access == Access::Open;
                assert_eq!(is_open, row.access == Access::Open, "{method} {path}");
            }
        }
        for (path, access) in
            [("/admin/", Access::Reading), ("/admin/nothing", Access::Reading), ("/nothing", Access::Open)]
        {
            assert_eq!(route(&Method::GET, path).access, access, "{path}");
        }
    }

    #[test]
    fn what_changes_anything_is_an_order() {
        for row in ENDPOINTS {
            let is_order = row.access == Access::Orders;
            assert_eq!(is_order, row.method != Method::GET, "{} {}", row.method, row.path);
            assert_eq!(row.access == Access::Open, !row.path.starts_with("/admin/"), "{}", row.path);
        }
    }

    #[test]
    fn no_two_endpoints_are_alike() {
        let mut all: Vec<_> = ENDPOINTS.iter().map(|row| (row.path, row.method.as_str())).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), ENDPOINTS.len());
    }
}
