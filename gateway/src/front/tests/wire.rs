//! A client's end of a connection, in raw bytes, so that nothing between helps or hides.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether `100 Continue` came first.
    pub(crate) continued: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What stands between two marks in the body; empty if they are not there.
    pub(crate) fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.text().split_once(before).map_or("", |(_, rest)| rest);
        rest.split_once(after).map_or("", |(found, _)| found)
    }
}

/// Sends a request on a connection of its own and reads the answer.
pub(crate) async fn exchange(address: SocketAddr, wire: &[u8]) -> Answer {
    let mut connection = open(address, wire).await;
    read(&mut connection).await
}

/// Opens a connection and sends these bytes.
pub(crate) async fn open(address: SocketAddr, wire: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    write(&mut connection, wire).await;
    connection
}

/// Sends bytes; that the server closes meanwhile is not an error here.
pub(crate) async fn write(connection: &mut TcpStream, bytes: &[u8]) {
    let _ = connection.write_all(bytes).await;
}

/// Reads one answer.
pub(crate) async fn read(connection: &mut TcpStream) -> Answer {
    tokio::time::timeout(Duration::from_secs(20), read_answer(connection)).await.expect("an answer in time")
}

async fn read_answer(connection: &mut TcpStream) -> Answer {
    let mut continued = false;
    loop {
        let head = read_head(connection).await;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        if status == 100 {
            continued = true;
            continue;
        }
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new(), continued };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        // After HEAD nothing comes; the connection may stay open.
        let rest = tokio::time::timeout(Duration::from_millis(400), connection.read_exact(&mut body));
        if matches!(rest.await, Ok(Ok(_))) {
            answer.body = body;
        }
        return answer;
    }
}

async fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("the connection ended after {:?}: {error}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8(head).unwrap()
}

/// Whether the server has closed the connection.
pub(crate) async fn is_closed(connection: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut rest)).await;
    end.is_ok()
}
