//! HTTP that becomes a WebSocket, through `protocol: tcp`: both ends send at once, messages of all sizes.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use crate::real::random::Random;
use crate::support::proxy::Setup;

const MESSAGES: usize = 1000;
/// What client and server draw their messages from.
const CLIENT: u64 = 51;
const SERVER: u64 = 52;

/// The messages of one side: empty ones, small ones, some of 200 KB; text and binary.
fn messages(seed: u64) -> impl Iterator<Item = Message> {
    let mut random = Random::new(seed);
    (0..MESSAGES).map(move |_| {
        let most = [1, 126, 1500, 65_537, 200_000][random.below(5)];
        let length = random.below(most);
        match random.below(2) {
            0 => Message::binary(random.bytes(length)),
            _ => Message::text("ö".repeat(length / 2)),
        }
    })
}

/// Sends all of its own messages while it receives all of the other's.
fn exchange(socket: &mut WebSocket<TcpStream>, role: Role, own: u64, others: u64) {
    let stream = socket.get_ref().try_clone().unwrap();
    let mut sender = WebSocket::from_raw_socket(stream, role, None);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            messages(own).for_each(|message| sender.write(message).unwrap());
            sender.flush().unwrap();
        });
        for (i, wanted) in messages(others).enumerate() {
            assert!(socket.read().unwrap() == wanted, "message {i} of seed {others} is another");
        }
    });
}

fn serve(stream: TcpStream) {
    let mut socket = tungstenite::accept(timed(stream)).unwrap();
    exchange(&mut socket, Role::Server, SERVER, CLIENT);
    let close = socket.read().unwrap();
    assert!(matches!(close, Message::Close(Some(frame)) if frame.reason.as_str() == "enough"));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
}

fn timed(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

#[test]
fn a_thousand_messages_each_way_and_a_close_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Setup::tcp(&[listener.local_addr().unwrap()]).start();
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));

    let stream = timed(TcpStream::connect(proxy.address()).unwrap());
    let url = format!("ws://{}/chat", proxy.address());
    let (mut socket, answer) = tungstenite::client(url, stream).unwrap();
    assert_eq!(answer.status(), 101);
    exchange(&mut socket, Role::Client, CLIENT, SERVER);

    use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "enough".into() })).unwrap();
    assert!(matches!(socket.read().unwrap(), Message::Close(Some(_))), "the server closes as well");
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    server.join().unwrap();
    drop(socket);
    proxy.carried_all();
}
