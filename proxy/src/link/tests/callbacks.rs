//! The rule of `link`: nothing of a link or its pool is borrowed when a client is told something.
//! A stand-in for a client looks at everything in each call, while a real member answers, hangs up, and is waited for.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::given::{CONTENT, ask, request};
use crate::cause::Cause;
use crate::config::parse;
use crate::event_loop::{EventLoop, Nanos};
use crate::link::{
    AnswerEnd, AnswerKind, Data, Exchange, Link, Pool, Recipient, Share, Sharing, Submitted, UpgradedLink,
};
use crate::metrics::Registry;
use crate::proto::http::{self, Method, ResponseHead};

/// A client that writes down what it is told.
#[derive(Clone)]
struct Client(Rc<State>);

struct State {
    pool: Weak<Pool<Client>>,
    link: RefCell<Option<Rc<Link<Client>>>>,
    told: RefCell<Vec<&'static str>>,
    has_ended: Cell<bool>,
}

impl Client {
    fn of(pool: &Rc<Pool<Self>>) -> Self {
        let pool = Rc::downgrade(pool);
        Self(Rc::new(State {
            pool,
            link: RefCell::default(),
            told: RefCell::default(),
            has_ended: Cell::new(false),
        }))
    }

    /// It is told something, and makes use of all that it could have.
    fn told(&self, what: &'static str) {
        let pool = self.0.pool.upgrade().unwrap();
        pool.assert_free();
        let links: Vec<_> = pool.scheduler.borrow_mut().links().cloned().collect();
        links.iter().chain(&*self.0.link.borrow()).for_each(|link| {
            link.assert_free();
            _ = link.queue.borrow_mut().in_flight();
            _ = (link.is_behind(), link.is_open());
            link.resume();
        });
        _ = (pool.is_crowded(), pool.is_http10(), pool.tunnel_permit());
        self.0.told.borrow_mut().push(what);
    }

    fn was_told(&self, what: &str) -> bool {
        self.0.told.borrow().contains(&what)
    }

    /// Asks for `path`, and waits for a link if there is none.
    fn submit(&self, path: &str, request: Exchange) {
        let AnswerKind::Http(http::Ask { method, .. }) = request.kind else { unreachable!() };
        let method = format!("{method:?}").to_uppercase();
        let body = if request.upload.is_open() { "Content-Length: 5\r\n" } else { "" };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{body}\r\n");
        let pool = self.0.pool.upgrade().unwrap();
        match pool.submit(self.clone(), request, head.as_bytes()) {
            Submitted::On(link) => *self.0.link.borrow_mut() = Some(link),
            Submitted::Waits => {}
            Submitted::Refused => panic!("refused"),
        }
    }

    fn get(&self, path: &str) {
        self.submit(path, request(Method::Get));
    }
}

impl Recipient for Client {
    // These three are called while a queue is borrowed, and look at nothing.
    fn head(&self, _: &ResponseHead<'_, '_>, _: bool, out: &mut Vec<u8>) -> Result<(), Cause> {
        out.extend_from_slice(b"head");
        Ok(())
    }

    fn data(&self, _: &[u8], _: &mut Vec<u8>) -> Data {
        Data::AsIs
    }

    fn end(&self, _: &[u8], _: &mut Vec<u8>) {}

    fn is_full(&self) -> bool {
        false
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        self.0.has_ended.get()
    }

    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    fn moved(&self) -> u64 {
        0
    }

    fn deliver(&self, _: &[u8], _: &[u8]) {
        self.told("deliver");
    }

    fn placed(&self, link: &Rc<Link<Self>>) {
        *self.0.link.borrow_mut() = Some(link.clone());
        self.told("placed");
    }

    fn ended(&self, _: &Exchange, _: AnswerEnd, _: Nanos) {
        self.told("ended");
    }

    fn failed(&self, _: &Exchange, _: Cause, _: bool) {
        self.told("failed");
    }

    fn again(&self, _: Exchange, _: Vec<u8>, _: Cause) {
        self.told("again");
    }

    fn writable(&self) {
        self.told("writable");
    }

    fn give_way(&self, _: Cause) {
        self.told("give_way");
    }

    fn switched(&self, upgraded: UpgradedLink) {
        drop(upgraded);
        self.told("switched");
    }

    fn panicked(&self) {
        self.0.told.borrow_mut().push("panicked");
    }
}

/// Answers each request as its path says.
async fn serve(mut stream: TcpStream) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|n| n > 0) {
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) else {
            continue;
        };
        let text = String::from_utf8(read.clone()).unwrap();
        if text.starts_with("POST") && read.len() < end + 5 {
            continue;
        }
        read.clear();
        let answer = match text.split(' ').nth(1).unwrap() {
            "/close" => return,
            "/half" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
                return;
            }
            "/switch" => "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn is_told(client: &Client, what: &str) {
    let told = async {
        while !client.was_told(what) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), told).await;
    in_time.unwrap_or_else(|_| panic!("never {what}, but {:?}", client.0.told.borrow()));
}

/// A pool that may have one link, to a member that [`serve`]s.
async fn pool_of_one(turn: &Rc<EventLoop>) -> Rc<Pool<Client>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(stream));
        }
    });
    let text = format!(
        "
listeners: {{ l: {{ bind: 127.0.0.1:0, protocol: http, backend: b }} }}
backends: {{ b: {{ links: {{ max_per_member: 1 }}, members: {{ m: \"{at}\" }} }} }}
"
    );
    let settings = parse("test.yaml", &text, &|_| None).unwrap().settings;
    let backend = &settings.backends[0];
    let registry = Registry::new(1);
    let cells = (registry.backend(0, "b"), registry.member(0, "b", "m"));
    let share = Share { links: 1, of_all: 1, waiting: 100 };
    let shared = Default::default();
    let pool = Pool::new(turn, backend, backend.members[0].address.clone(), share, shared, cells);
    for what in [true, false] {
        let turn = turn.clone();
        tokio::task::spawn_local(async move {
            if what { turn.run_flusher().await } else { turn.run_ticker(|_| ()).await }
        });
    }
    pool
}

async fn tell_everything() {
    let turn = EventLoop::new();
    let panics = Rc::new(Cell::new(0));
    let counted = panics.clone();
    turn.count_panics(move |_| counted.set(counted.get() + 1));
    let pool = pool_of_one(&turn).await;
    let new = || Client::of(&pool);

    let uploads = new();
    uploads.submit("/", Exchange { upload: CONTENT, ..request(Method::Post) });
    is_told(&uploads, "writable").await;
    let link = uploads.0.link.borrow().clone().unwrap();
    link.send_data(b"hello", Some(b""));
    is_told(&uploads, "ended").await;
    assert!(uploads.was_told("placed") && uploads.was_told("deliver"));

    let (first, leaves, last) = (new(), new(), new());
    leaves.0.has_ended.set(true);
    first.submit("/", Exchange { sharing: Sharing::Alone, ..request(Method::Get) });
    leaves.get("/");
    last.get("/");
    is_told(&leaves, "give_way").await;
    is_told(&last, "ended").await;

    let replayed = new();
    replayed.get("/close");
    is_told(&replayed, "again").await;

    let cut_off = new();
    cut_off.get("/half");
    is_told(&cut_off, "failed").await;

    let upgraded = new();
    let upgrade = AnswerKind::Http(http::Ask { upgrade: true, ..ask(Method::Get) });
    upgraded.submit("/switch", Exchange { kind: upgrade, sharing: Sharing::Alone, ..request(Method::Get) });
    is_told(&upgraded, "switched").await;

    for client in [uploads, first, leaves, last, replayed, cut_off, upgraded] {
        assert!(!client.was_told("panicked"), "{:?}", client.0.told.borrow());
    }
    assert_eq!(panics.get(), 0, "a call-back panicked");
}

#[test]
fn nothing_is_borrowed_when_a_client_is_told_something() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, tell_everything());
}
