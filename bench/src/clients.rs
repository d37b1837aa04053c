//! Spreads the clients of a plan over threads, and lets the caller command them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc as orders;
use tokio::task::JoinSet;

use crate::client::{Budget, Client};
use crate::plan::{Plan, Stop};
use crate::report::Report;
use crate::shard::Shard;

/// Carries out the plan and closes all connections. This function blocks.
pub fn run(plan: &Plan) -> io::Result<Report> {
    run_watched(plan, &mut |_| true)
}

/// Works like [`run`], and calls `watch` about ten times a second. If `watch` returns false, the clients start
/// no more exchanges, and the run ends when those in flight have ended.
pub fn run_watched(plan: &Plan, watch: &mut dyn FnMut(&Progress<'_>) -> bool) -> io::Result<Report> {
    let mut clients = Clients::connect(plan)?;
    clients.work_watched(watch)?;
    clients.close()
}

/// Clients that stay connected between orders, for callers that compare counters at rest.
///
/// Every order blocks until all clients have carried it out, and returns what they counted meanwhile.
pub struct Clients {
    threads: Vec<Thread>,
    stop: Stop,
    total: Report,
}

/// The state of a run at one moment.
pub struct Progress<'a> {
    /// The time since the first exchange.
    pub elapsed: Duration,
    /// The number of answers since then.
    pub answers: u64,
    threads: &'a [Thread],
}

impl Progress<'_> {
    /// Asks the threads for all counts so far, which costs each of them a copy.
    pub fn report(&self) -> Report {
        let mut sum = Report::default();
        for thread in self.threads {
            if thread.send(Order::Show).is_ok()
                && let Ok(report) = thread.shown.recv_timeout(WATCH_EVERY)
            {
                sum.add(&report);
            }
        }
        sum.elapsed = self.elapsed;
        sum
    }
}

#[derive(Clone, Copy)]
enum Order {
    Connect,
    Work(Budget),
    Look,
    /// Show the counts so far, in the middle of work.
    Show,
    /// Start no more exchanges.
    Stop,
}

/// The result of an order on one thread.
struct Done {
    report: Report,
    open: usize,
}

struct Thread {
    /// The orders for the thread, which ends when this is dropped.
    orders: Option<orders::UnboundedSender<Order>>,
    done: mpsc::Receiver<io::Result<Done>>,
    shown: mpsc::Receiver<Report>,
    answered: Arc<AtomicU64>,
    handle: Option<JoinHandle<()>>,
}

/// The number of connects that a thread has in progress at a time, followed by a pause. A burst of thousands
/// would overflow the accept queue, and each dropped SYN costs its client a second.
const CONNECTS_AT_ONCE: usize = 64;
const CONNECT_PAUSE: Duration = Duration::from_millis(1);
const WATCH_EVERY: Duration = Duration::from_millis(100);

impl Clients {
    /// Starts the threads and connects all clients, a few at a time. A failed connect is counted, and
    /// repeated with the client's first exchange. A plan whose work does not fit its protocol is refused.
    pub fn connect(plan: &Plan) -> io::Result<Self> {
        if let Some(complaint) = plan.complaint() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, complaint));
        }
        let count = plan.threads.clamp(1, plan.clients.max(1));
        let threads = (0..count).map(|index| Thread::start(plan, index, count)).collect::<io::Result<_>>()?;
        let mut clients = Self { threads, stop: plan.stop, total: Report::default() };
        clients.order(Order::Connect, &mut |_| true)?;
        Ok(clients)
    }

    /// Lets each client make one exchange.
    pub fn round(&mut self) -> io::Result<Report> {
        self.timed(Order::Work(Budget::Left(1)), &mut |_| true)
    }

    /// Lets each client work until the plan's stop.
    pub fn work(&mut self) -> io::Result<Report> {
        self.work_watched(&mut |_| true)
    }

    /// Works like [`Clients::work`], and calls `watch` as [`run_watched`] does.
    pub fn work_watched(&mut self, watch: &mut dyn FnMut(&Progress<'_>) -> bool) -> io::Result<Report> {
        self.work_until(self.stop, watch)
    }

    /// Works like [`Clients::work_watched`], with another stop than the plan's.
    pub fn work_until(
        &mut self,
        stop: Stop,
        watch: &mut dyn FnMut(&Progress<'_>) -> bool,
    ) -> io::Result<Report> {
        let budget = match stop {
            Stop::Requests(n) => Budget::Left(n),
            Stop::Duration(duration) => Budget::Until((Instant::now() + duration).into()),
        };
        self.timed(Order::Work(budget), watch)
    }

    /// Checks all connections while they rest, and returns the number of open ones. A connection that the
    /// server closed is dropped, and unrequested bytes are an error (`surplus`).
    pub fn idle(&mut self) -> io::Result<usize> {
        Ok(self.order(Order::Look, &mut |_| true)?.open)
    }

    /// Returns everything that was counted so far.
    pub fn total(&self) -> &Report {
        &self.total
    }

    /// Checks the connections once more, closes them, and returns the total.
    pub fn close(mut self) -> io::Result<Report> {
        self.idle()?;
        self.threads.clear();
        Ok(self.total)
    }

    fn timed(&mut self, order: Order, watch: &mut dyn FnMut(&Progress<'_>) -> bool) -> io::Result<Report> {
        let began = Instant::now();
        let mut report = self.order(order, watch)?.report;
        report.elapsed = began.elapsed();
        self.total.elapsed += report.elapsed;
        Ok(report)
    }

    fn order(&mut self, order: Order, watch: &mut dyn FnMut(&Progress<'_>) -> bool) -> io::Result<Done> {
        let before = self.answered();
        let began = Instant::now();
        for thread in &self.threads {
            thread.send(order)?;
        }
        let mut sum = Done { report: Report::default(), open: 0 };
        for thread in &self.threads {
            let done = loop {
                match thread.done.recv_timeout(WATCH_EVERY) {
                    Ok(done) => break done?,
                    Err(RecvTimeoutError::Timeout) => {
                        let (elapsed, answers) = (began.elapsed(), self.answered() - before);
                        if !watch(&Progress { elapsed, answers, threads: &self.threads }) {
                            self.threads.iter().try_for_each(|thread| thread.send(Order::Stop))?;
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return Err(ended()),
                }
            };
            sum.report.add(&done.report);
            sum.open += done.open;
        }
        self.total.add(&sum.report);
        Ok(sum)
    }

    fn answered(&self) -> u64 {
        self.threads.iter().map(|thread| thread.answered.load(Ordering::Relaxed)).sum()
    }
}

impl Thread {
    /// Starts a thread with the clients `index`, `index + step`, `index + 2 * step`, ...
    fn start(plan: &Plan, index: usize, step: usize) -> io::Result<Self> {
        let (orders, inbox) = orders::unbounded_channel();
        let (reply, done) = mpsc::channel();
        let (show, shown) = mpsc::channel();
        let answered = Arc::new(AtomicU64::new(0));
        let (plan, counter) = (plan.clone(), Arc::clone(&answered));
        let name = format!("bench-{index}");
        let handle = thread::Builder::new().name(name).spawn(move || {
            let runtime =
                match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    // A receiver that is gone needs no answer.
                    Err(error) => return drop(reply.send(Err(error))),
                };
            runtime.block_on(async {
                let numbers = (index..plan.clients).step_by(step);
                match Shard::new(plan, counter).map(Rc::new) {
                    Ok(shard) => {
                        let clients = numbers.map(|n| Client::new(Rc::clone(&shard), n as u64)).collect();
                        obey(shard, clients, inbox, &reply, &show).await;
                    }
                    Err(error) => drop(reply.send(Err(error))),
                }
            });
        })?;
        Ok(Self { orders: Some(orders), done, shown, answered, handle: Some(handle) })
    }

    fn send(&self, order: Order) -> io::Result<()> {
        let orders = self.orders.as_ref().ok_or_else(ended)?;
        // A thread that could not start has sent the reason to `done`, which is read next.
        let _ = orders.send(order);
        Ok(())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(handle) = self.handle.take() {
            // The thread has printed its panic, which showed as a closed channel.
            let _ = handle.join();
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("a thread of the load generator has ended")
}

/// Runs a thread: it takes orders and sends reports until the sender of orders is gone.
async fn obey(
    shard: Rc<Shard>,
    mut clients: Vec<Client>,
    mut inbox: orders::UnboundedReceiver<Order>,
    reply: &mpsc::Sender<io::Result<Done>>,
    show: &mpsc::Sender<Report>,
) {
    let timed = Rc::clone(&shard);
    let timers = tokio::task::spawn_local(async move { timed.timers.run().await });
    while let Some(order) = inbox.recv().await {
        let mut open = 0;
        match order {
            Order::Connect => connect_all(&mut clients).await,
            Order::Work(budget) => work(&shard, &mut clients, budget, &mut inbox, show).await,
            Order::Look => open = clients.iter_mut().map(Client::look).filter(|open| *open).count(),
            // The work was over before the order came, and somebody still waits for an answer.
            Order::Show => {
                drop(show.send(Report::default()));
                continue;
            }
            Order::Stop => continue,
        }
        let done = Done { report: shard.take_report(), open };
        if reply.send(Ok(done)).is_err() {
            break;
        }
    }
    timers.abort();
}

/// Lets all clients work, and takes the orders that may come meanwhile.
async fn work(
    shard: &Shard,
    clients: &mut Vec<Client>,
    budget: Budget,
    inbox: &mut orders::UnboundedReceiver<Order>,
    show: &mpsc::Sender<Report>,
) {
    let all = clients.len();
    let mut work = std::pin::pin!(each(clients, all, move |client| Box::pin(client.work(budget))));
    loop {
        tokio::select! {
            biased;
            () = &mut work => return,
            order = inbox.recv() => match order {
                Some(Order::Show) => drop(show.send(shard.report_so_far())),
                // Nobody is left to report to, or wants more.
                _ => {
                    shard.stop();
                    return work.await;
                }
            }
        }
    }
}

async fn connect_all(clients: &mut Vec<Client>) {
    for _ in 0..clients.len().div_ceil(CONNECTS_AT_ONCE) {
        each(clients, CONNECTS_AT_ONCE, |client| Box::pin(client.connect())).await;
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

/// Lets the first `most` clients do something at the same time. Afterwards they are behind the others.
async fn each<F>(clients: &mut Vec<Client>, most: usize, what: F)
where
    F: Fn(&mut Client) -> Pin<Box<dyn Future<Output = ()> + '_>> + Copy + 'static,
{
    let mut set = JoinSet::new();
    for mut client in clients.drain(..most.min(clients.len())) {
        set.spawn_local(async move {
            what(&mut client).await;
            client
        });
    }
    while let Some(joined) = set.join_next().await {
        match joined {
            Ok(client) => clients.push(client),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}
