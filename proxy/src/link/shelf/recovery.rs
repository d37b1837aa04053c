//! What a shelf does when its member cannot be connected to, until it can.
//! In: the cause. Out: those who wait sent elsewhere, the member down, and up again with its first link.
//! Knows nothing of links that stand.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use crate::cause::Cause;
use crate::metrics::{LinkState, MemberState, RetryReason, RetryResult};
use crate::net::Socket;

use super::super::connect::{connect, count_failure};
use super::super::driver::Link;
use super::super::pool::SeatId;
use super::{Receiver, Shelf, Waiter};

impl<T: Receiver> Shelf<T> {
    pub(super) fn connect_failed(self: &Rc<Self>, seat: SeatId, cause: Cause) {
        count_failure(&self.cells, cause);
        let mut pool = self.pool.borrow_mut();
        pool.closed(seat);
        let alone = pool.used() == 0;
        let moved = if alone { pool.remove_waiting(|_| true) } else { Vec::new() };
        drop(pool);
        self.show_waiting();
        if alone && cause != Cause::ConnectNoPort && self.health.failed() {
            self.cells.state.shift(MemberState::Up, MemberState::Down);
            tokio::task::spawn_local(self.clone().recover());
        }
        for Waiter { to, request, head } in moved {
            self.count_retry(RetryReason::Connect, RetryResult::Ok);
            to.again(request, head, cause);
        }
        self.open_more(self.turn.now());
    }

    /// Connects again and again, ever less often, until the member answers. That link is the first of its new pool.
    async fn recover(self: Rc<Self>) {
        let mut pause = Duration::from_millis(100);
        while !self.health.is_up() && !self.is_leaving() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
            let seat = self.pool.borrow_mut().claim();
            let Some(seat) = seat else { continue };
            self.cells.connections[LinkState::Connecting].inc();
            let settings = self.settings.borrow().clone();
            let connected = connect(self.address, &settings).await;
            self.turn.tick();
            self.cells.connections[LinkState::Connecting].dec();
            match connected {
                Err(cause) => self.connect_failed(seat, cause),
                Ok(socket) => return self.adopt(seat, socket).await,
            }
        }
    }

    async fn adopt(self: Rc<Self>, seat: SeatId, socket: Socket) {
        let link = Link::new(&self, seat, socket);
        self.connected(&link, self.turn.now());
        let why = poll_fn(|cx| link.poll(cx)).await;
        self.ended(&link, why);
    }
}
