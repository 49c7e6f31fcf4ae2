//! Tokens of a real OpenID Connect provider, fetched from and verified by the gateway's own parts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use couronne_base::env::system;
use couronne_base::network::Network;
use couronne_gateway::identity::oidc::{Provider, TokenError, Verifier, unverified_issuer};
use couronne_outbound::{Outbound, OutboundSettings};
use couronne_tests::python;
use couronne_tests::running::Running;

/// A provider that runs.
struct OidcServer {
    process: Running,
    lines: BufReader<std::process::ChildStdout>,
    issuer: String,
}

impl OidcServer {
    fn start() -> Self {
        let mut command = Command::new(python::interpreter());
        command.args(["-W", "ignore", &python::script("oidc_provider.py")]);
        let mut process = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let lines = BufReader::new(process.child().stdout.take().unwrap());
        let mut server = Self { process, lines, issuer: String::new() };
        server.issuer = server.line();
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// A token for a user of a client.
    fn token(&mut self, client: &str, user: &str) -> String {
        let stdin = self.process.child().stdin.as_mut().unwrap();
        writeln!(stdin, "{client} {user}").unwrap();
        self.line()
    }

    fn trusted(&self) -> Provider {
        let client_ids = vec!["client-1".into()];
        Provider { account: "account".into(), issuer: self.issuer.as_str().into(), client_ids }
    }
}

fn verifier(allow: &[&str]) -> Verifier {
    let allow = allow.iter().map(|network| Network::parse(network).unwrap()).collect();
    let client = Outbound::new(OutboundSettings { allow, ..OutboundSettings::default() }, None);
    Verifier::new(Arc::new(client), system().clock)
}

#[tokio::test]
async fn a_real_providers_token_is_verified() {
    let (mut server, mut other) = (OidcServer::start(), OidcServer::start());
    let (provider, verifier) = (server.trusted(), verifier(&["127.0.0.0/8"]));
    let token = server.token("client-1", "ada@example.org");
    assert_eq!(*unverified_issuer(&token).unwrap(), server.issuer);
    let claims = verifier.verify(&provider, &token).await.unwrap();
    assert_eq!((&*claims.subject, claims.audiences.as_slice()), ("ada@example.org", &["client-1".to_owned()][..]));
    let host = server.issuer.trim_start_matches("http://");
    assert_eq!(claims.condition_keys()[&format!("{host}:email")], ["ada@example.org"]);

    let for_another = server.token("client-2", "ada@example.org");
    let refused = verifier.verify(&provider, &for_another).await;
    assert_eq!(refused, Err(TokenError::Invalid("Incorrect token audience")));
    let of_another = other.token("client-1", "ada@example.org");
    let refused = verifier.verify(&provider, &of_another).await;
    assert!(matches!(refused, Err(TokenError::Invalid(_))), "{refused:?}");
    assert!(verifier.verify(&other.trusted(), &of_another).await.is_ok());
}

#[tokio::test]
async fn a_provider_within_is_not_asked_unless_the_operator_allows_it() {
    let mut server = OidcServer::start();
    let token = server.token("client-1", "ada");
    let refused = verifier(&["10.0.0.0/8"]).verify(&server.trusted(), &token).await;
    assert_eq!(refused, Err(TokenError::Communication));
}
