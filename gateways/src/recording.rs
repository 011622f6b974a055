//! A broker that takes every order and keeps a record of it: the double for drills and tests.
//!
//! It accepts, can be told to fill, to refuse, to be slow, or to fall over, and cancels what works when asked.
//! In a file each order is one line, written before the next order can leave, so that a killed process leaves
//! a true record.

use engine::runtime::gateway::{Broker, report_on};
use ringbuf_layout::names::{Exec, OrderState};
use ringbuf_layout::{ExecutionReport, Order, Price, Side};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What left the engine, in order.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Recorded>>);

/// What a broker was told.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// New orders and requests to cancel.
    pub orders: Vec<Order>,
    /// How often everything was to be cancelled.
    pub cancels: u64,
}

impl Record {
    /// A copy of it.
    pub fn read(&self) -> Recorded {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// New orders that were taken, without requests to cancel.
    pub fn new_orders(&self) -> u64 {
        let is_new = |order: &&Order| order.state == OrderState::New as u8;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).orders.iter().filter(is_new).count()
            as u64
    }

    /// Orders and requests so far.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).orders.len() as u64
    }

    fn write(&self, change: impl FnOnce(&mut Recorded)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the broker does with an order.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Fills every order at once, at this price.
    pub fill_at: Option<Price>,
    /// Refuses every so-many-th order.
    pub refuse_every: Option<u64>,
    /// Takes this long over an order.
    pub delay: Duration,
    /// Panics at this order, counted from 1.
    pub panic_at: Option<u64>,
}

/// The broker.
#[derive(Debug, Default)]
pub struct RecordingBroker {
    /// What it does with an order.
    pub habits: Habits,
    record: Record,
    path: Option<PathBuf>,
    file: Option<File>,
    reports: VecDeque<ExecutionReport>,
    working: Vec<Order>,
    seen: u64,
}

impl RecordingBroker {
    /// A broker that keeps its record in memory.
    pub fn new(record: Record, habits: Habits) -> Self {
        Self { habits, record, ..Self::default() }
    }

    /// A broker that writes its record to a new file, which it makes with the first order.
    pub fn into_file(path: PathBuf) -> Self {
        Self { path: Some(path), ..Self::default() }
    }

    /// The file, made if it is not there yet; a run that goes on with a journal goes on with its record.
    fn open(path: &Path) -> std::io::Result<File> {
        if path.exists() {
            return File::options().append(true).open(path);
        }
        let mut file = File::create_new(path)?;
        file.write_all(b"order_epoch,order_seq,order_index,state,instrument,side,qty\n")?;
        Ok(file)
    }

    fn keep(&mut self, order: &Order) -> Result<(), String> {
        let Some(path) = &self.path else {
            self.record.write(|record| record.orders.push(*order));
            return Ok(());
        };
        let state = OrderState::from_byte(order.state).map_or("", OrderState::name);
        let line = format!(
            "{},{},{},{state},{},{},{}\n",
            order.order_epoch,
            order.order_seq,
            order.order_index,
            order.tail.instrument,
            Side::name(order.tail.side),
            order.qty.0
        );
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => Self::open(path),
        };
        let written = file.and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            self.file = Some(file);
            Ok(())
        });
        written.map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Broker for RecordingBroker {
    fn send(&mut self, order: &Order) -> Result<(), String> {
        self.seen += 1;
        assert_ne!(self.habits.panic_at, Some(self.seen), "the broker's connection fell over");
        std::thread::sleep(self.habits.delay);
        if self.habits.refuse_every.is_some_and(|every| self.seen.is_multiple_of(every)) {
            return Err("refused by habit".to_string());
        }
        self.keep(order)?;
        if order.state == OrderState::CancelRequested as u8 {
            self.reports.push_back(report_on(order, Exec::Cancelled));
            return Ok(());
        }
        self.reports.push_back(report_on(order, Exec::Accepted));
        match self.habits.fill_at {
            Some(price) => {
                let mut fill = report_on(order, Exec::Fill);
                (fill.price, fill.qty, fill.cum_qty) = (price, order.qty, order.qty);
                self.reports.push_back(fill);
            }
            None => self.working.push(*order),
        }
        Ok(())
    }

    fn cancel_all(&mut self) {
        self.record.write(|record| record.cancels += 1);
        let working = self.working.drain(..);
        self.reports.extend(working.map(|order| report_on(&order, Exec::Cancelled)));
    }

    fn report(&mut self) -> Option<ExecutionReport> {
        self.reports.pop_front()
    }
}
