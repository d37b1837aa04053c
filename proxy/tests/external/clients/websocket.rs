//! A WebSocket by `tungstenite`: messages of all sizes, several sockets at once, next to ordinary requests.

use std::net::TcpStream;
use std::time::Duration;

use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tungstenite::{Message, WebSocket};

use crate::clients::front::{Front, get, pattern};

const SOCKETS: u64 = 20;
/// Bytes of the messages; text where the number is even.
const SIZES: [usize; 9] = [0, 1, 125, 126, 1000, 65_535, 65_536, 300_001, 2];

fn open(front: &Front) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(front.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut request = format!("ws://{}/websocket", front.address()).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("chat, superchat"));
    let (socket, answer) = tungstenite::client(request, stream).unwrap();
    let seen =
        (answer.status().as_u16(), answer.headers().get("sec-websocket-protocol").unwrap().to_str().unwrap());
    assert_eq!(seen, (101, "chat"));
    socket
}

fn talk(mut socket: WebSocket<TcpStream>) {
    for size in SIZES {
        let message = match size % 2 {
            0 => Message::text("ö".repeat(size / 2)),
            _ => Message::binary(pattern(size)),
        };
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "a message of {size} bytes");
    }
    socket.send(Message::Ping("are you there?".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("are you there?".into()));
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "enough".into() })).unwrap();
    assert!(matches!(socket.read().unwrap(), Message::Close(Some(frame)) if frame.code == CloseCode::Normal));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
}

#[test]
fn twenty_sockets_talk_at_once_and_others_go_on_asking() {
    let front = Front::start();
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..SOCKETS).map(|_| open(&front)).collect();
        front.counts("penstock_client_connections", "state=\"tunnel\"", SOCKETS..=SOCKETS);
        for socket in opened {
            scope.spawn(|| talk(socket));
        }
        (0..50).for_each(|_| assert_eq!(get(front.address(), "/hello"), "Hello, World!"));
    });
    front.carried(SOCKETS + 50);
}

/// The member says no; the connection goes on as HTTP.
#[test]
fn a_handshake_that_is_refused_is_an_ordinary_answer() {
    let front = Front::start();
    let stream = TcpStream::connect(front.address()).unwrap();
    let mut request = format!("ws://{}/hello", front.address()).into_client_request().unwrap();
    request.headers_mut().insert("X-A", HeaderValue::from_static("b"));
    let refused = tungstenite::client(request, stream).unwrap_err();
    assert!(format!("{refused:?}").contains("200"), "{refused:?}");
    front.carried(1);
}
