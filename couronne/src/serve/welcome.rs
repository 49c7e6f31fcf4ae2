//! What a server says when it is ready: where it is, and at its first start how to use it.
//!
//! Promises: the secret key is shown at the first start only, and only on a terminal: standard output of a service ends
//! in a journal that others read. Otherwise the command that shows it is named.
//! Must not know: how the server works.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use zeroize::Zeroizing;

use super::lone::Lone;
use crate::folder::RunningServer;
use crate::terminal::{is_private, say};

/// Prints the endpoint, the keys and the next commands.
pub(super) fn print(data: &Lone, s3: SocketAddr, server: &RunningServer) {
    let scheme = if server.tls { "https" } else { "http" };
    let endpoint = format!("{scheme}://{}", reachable(s3));
    let (redundancy, drives) = (data.redundancy, data.drives.len());
    let root = data.secrets.root();
    let access_key = &root.access_key;
    say(&format!("Couronne {}: policy {redundancy}, drives {drives}", env!("CARGO_PKG_VERSION")));
    say(&format!("  endpoint    {endpoint}"));
    say(&format!("  access key  {access_key}"));
    let show = data.folder.show_command("secret-key");
    let secret_key = if data.is_new && is_private() {
        let secret_key = root.secret_key.as_str();
        say(&format!("  secret key  {secret_key}  (shown only now; later: {show})"));
        Zeroizing::new(format!("'{secret_key}'"))
    } else {
        say(&format!("  secret key  {show}"));
        Zeroizing::new(format!("$({show})"))
    };
    if !data.is_new {
        return;
    }
    say("Try it:");
    say(&format!(
        "  export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID={access_key} \
         AWS_SECRET_ACCESS_KEY={}",
        secret_key.as_str()
    ));
    say("  aws s3 mb s3://first-bucket");
    say("  aws s3 sync SOME-FOLDER s3://first-bucket/");
}

/// An address that a client on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        _ => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
    }
}
