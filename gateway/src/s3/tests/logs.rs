//! What reaches the logs: every request, and no secret, at any level.
//!
//! Source: RGW CVE-2018-16889, Swift CVE-2017-8761.

use std::io::{self, Write};
use std::time::Duration;

use parking_lot::Mutex;

use super::client::{Defect, PayloadMode, Place};
use super::*;

/// All that this process logged since the first call.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| Log).finish();
    // For this thread only, which is the test's whole runtime; other tests log nowhere.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = S3Server::new().await;
    for place in [Place::Header, Place::Query] {
        for defect in [Defect::None, Defect::WrongSignature, Defect::OtherPath, Defect::Skewed] {
            let ask = server.ask("PUT", "/bkt/k").body("a private content").how(place, PayloadMode::Signed, defect);
            server.send(&ask).await;
        }
    }
    // The address that a client claims to speak for is not believed, and not logged.
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip"].iter();
    let forwarded =
        forwarded.fold(server.ask("GET", "/bkt/the-logged-key"), |ask, name| ask.header(name, "203.0.113.9"));
    let answer = server.send(&forwarded.how(Place::Query, PayloadMode::Unsigned, Defect::None)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let logged = String::from_utf8_lossy(&LOGGED.lock()).into_owned();
    let line = logged.lines().find(|line| line.contains("couronne::access") && line.contains("the-logged-key"));
    let line = line.expect("a line for the request");
    assert!(!logged.contains("203.0.113.9"), "{line}");
    for part in [
        "peer=127.0.0.1",
        "client=127.0.0.1",
        "operation=\"GetObject\"",
        "account=\"acme\"",
        "status=404",
        "code=\"NoSuchKey\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(line.contains(answer.header("x-amz-request-id").unwrap()), "{line}");
    for secret in
        [server.world.owner.secret.as_str(), server.world.other.secret.as_str(), "root secret", "a private content"]
    {
        assert!(!logged.contains(secret), "{secret} was logged");
    }
    for line in logged.lines().filter(|line| line.contains("couronne")) {
        assert!(!line.contains("X-Amz-Signature") && !line.contains("Signature="), "{line}");
    }
}
