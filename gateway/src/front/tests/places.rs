//! Sockets that hold places: silent ones, busy ones, and those that come later.

use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::wire::{is_closed, open, read, write};
use super::*;

async fn server(connections_max: usize, peer_connections_max: usize) -> ToyServer {
    let settings = ServerSettings { connections_max, peer_connections_max, ..ServerSettings::default() };
    ToyServer::with(settings, FrontSettings::default(), None).await
}

/// A connection from this address of loopback.
async fn from(server: &ToyServer, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(server.listener.address).await.unwrap()
}

async fn is_served(server: &ToyServer, connection: &mut TcpStream) -> bool {
    write(connection, &server.ask("GET", "/bkt/none").wire()).await;
    let mut first = [0];
    let answered = tokio::time::timeout(Duration::from_secs(5), connection.peek(&mut first)).await;
    matches!(answered, Ok(Ok(1))) && read(connection).await.status == 404
}

#[tokio::test]
async fn a_silent_connection_gives_way_to_a_new_one() {
    let server = server(10, usize::MAX).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(server.listener.address).await.unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..5 {
        let mut late = TcpStream::connect(server.listener.address).await.unwrap();
        assert!(is_served(&server, &mut late).await);
    }
    assert!(is_closed(&mut silent[0]).await, "the one that was silent for longest");
    let mut there = silent.pop().unwrap();
    assert!(is_served(&server, &mut there).await, "the one that was silent for least");
}

#[tokio::test]
async fn a_peer_with_many_busy_connections_gives_way_to_another() {
    let server = server(10, usize::MAX).await;
    let wire = server.ask("PUT", "/bkt/k").body("hello").wire();
    let mut busy = Vec::new();
    for _ in 0..10 {
        busy.push(open(server.listener.address, &wire[..wire.len() - 1]).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut own = TcpStream::connect(server.listener.address).await.unwrap();
    assert!(!is_served(&server, &mut own).await, "all places are its own, and busy");
    let mut other = from(&server, "127.0.0.2").await;
    assert!(is_served(&server, &mut other).await);
    let cut = read(&mut busy[0]).await;
    assert_eq!((cut.status, cut.word()), (503, "slow-down"), "{cut:?}");
    write(&mut busy[9], b"o").await;
    assert_eq!(read(&mut busy[9]).await.status, 200);
}

/// Behind a proxy all have its address: a client that has a link and opens sockets that stop keeps no other out.
#[tokio::test]
async fn sockets_of_a_link_that_have_stopped_give_way_to_others_of_their_address() {
    let server = server(10, usize::MAX).await;
    let ask = |link: &str| server.ask("PUT", "/bkt/k").header("x-toy-link", link).body("hello");
    let (leaked, honest) = (ask("leaked").wire(), server.ask("PUT", "/bkt/k").body("hello").wire());
    let mut held = Vec::new();
    for number in 0..10 {
        let wire = if number == 0 { &honest } else { &leaked };
        held.push(open(server.listener.address, &wire[..wire.len() - 1]).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut early = TcpStream::connect(server.listener.address).await.unwrap();
    assert!(!is_served(&server, &mut early).await, "nothing shows yet that any has stopped");
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let mut late = TcpStream::connect(server.listener.address).await.unwrap();
    assert!(is_served(&server, &mut late).await);
    let cut = read(&mut held[1]).await;
    assert_eq!((cut.status, cut.word()), (503, "slow-down"), "{cut:?}");
    write(&mut held[0], b"o").await;
    assert_eq!(read(&mut held[0]).await.status, 200, "the one that had no more than its share was cut");
}

#[tokio::test]
async fn a_peer_may_be_bounded() {
    let server = server(10, 3).await;
    let mut three = Vec::new();
    for _ in 0..3 {
        let mut connection = TcpStream::connect(server.listener.address).await.unwrap();
        assert!(is_served(&server, &mut connection).await);
        three.push(connection);
    }
    let mut fourth = TcpStream::connect(server.listener.address).await.unwrap();
    assert!(!is_served(&server, &mut fourth).await);
    let mut other = from(&server, "127.0.0.2").await;
    assert!(is_served(&server, &mut other).await);
}
