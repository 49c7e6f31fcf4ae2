//! The tables of `docs/iam.md`, which the table of operations writes.
//!
//! `COURONNE_WRITE_DOCS=1 cargo nextest run --release -p couronne-gateway documents` writes them anew.

use std::fmt::Write as _;

use crate::front::tests::page::check;
use crate::iam::operation::Operation;
use crate::iam::target::On;

const BEGIN: &str = "<!-- operations: written from gateway/src/iam/operation.rs -->\n";
const END: &str = "<!-- end of operations -->\n";

const fn resource(on: On) -> &'static str {
    match on {
        On::Itself => "see below",
        On::Account => "`*`",
        On::User => "the user, or the caller",
        On::NewUser => "the new user",
        On::Users => "`user/` and the path",
        On::Group => "the group",
        On::NewGroup => "the new group",
        On::Groups => "`group/` and the path",
        On::Role => "the role",
        On::NewRole => "the new role",
        On::Roles => "`role/` and the path",
        On::Policy => "the policy",
        On::NewPolicy => "the new policy",
        On::Policies => "`policy/` and the path",
        On::Key => "the user that has the key",
        On::Provider => "the provider",
        On::NewProvider => "the new provider",
        On::Providers => "`oidc-provider/`",
    }
}

fn tables() -> String {
    let mut text = "| served | IAM action | on |\n|---|---|---|\n".to_owned();
    for operation in Operation::ALL {
        writeln!(text, "| {} | `{}` | {} |", operation.name(), operation.action(), resource(operation.on())).unwrap();
    }
    text.push_str("\n| not served: 501 `NotImplemented` | of | why |\n|---|---|---|\n");
    for (service, name, why) in Operation::NOT_SERVED {
        writeln!(text, "| {name} | {} | {why} |", service.name()).unwrap();
    }
    text
}

#[test]
fn the_page_of_iam_is_what_the_table_says() {
    check("docs/iam.md", |found| {
        let (before, rest) = found.split_once(BEGIN).expect("where the operations begin");
        let (_, after) = rest.split_once(END).expect("where the operations end");
        format!("{before}{BEGIN}\n{}\n{END}{after}", tables())
    });
}
