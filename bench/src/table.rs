//! The table that is printed.

use std::fmt::Write;

/// A cell with a figure.
#[derive(Clone, Copy)]
pub enum Figure {
    /// Nanoseconds.
    Time(f64),
    /// A number of things, per message.
    Count(f64),
    /// Bytes.
    Bytes(i64),
    /// Nothing to compare with.
    None,
}

/// What is demanded of a row.
#[derive(Clone, Copy)]
pub enum Bar {
    /// We are at least so many times as fast as the peer.
    Faster(f64),
    /// We take at most so many times what the yardstick takes.
    Within(f64),
    /// Our figure is at most this.
    AtMost(f64),
    /// Nothing: the row gives context.
    Context,
}

struct Row {
    work: String,
    ours: Figure,
    peer: Figure,
    bar: Bar,
}

/// All rows.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row.
    pub fn row(&mut self, work: &str, ours: Figure, peer: Figure, bar: Bar) {
        self.0.push(Row { work: work.to_owned(), ours, peer, bar });
    }

    /// Whether every bar is met.
    pub fn all_met(&self) -> bool {
        self.0.iter().all(|row| row.met() != Some(false))
    }

    /// The table as text, its columns aligned.
    pub fn text(&self) -> String {
        let head = ["work", "ours", "peer", "ratio", "bar", ""].map(str::to_owned);
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.0.iter().map(Row::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        let mut text = String::new();
        for row in &rows {
            let mut line = format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(widths).skip(1).take(4) {
                let _ = write!(line, "  {cell:>width$}");
            }
            let _ = writeln!(text, "{}", format!("{line}  {}", row[5]).trim_end());
        }
        text
    }
}

impl Row {
    fn met(&self) -> Option<bool> {
        let (ours, peer) = (self.ours.value(), self.peer.value());
        match self.bar {
            Bar::Faster(bar) => Some(peer / ours >= bar),
            Bar::Within(bar) => Some(ours / peer <= bar),
            Bar::AtMost(bar) => Some(ours <= bar),
            Bar::Context => None,
        }
    }

    fn cells(&self) -> [String; 6] {
        let (ours, peer) = (self.ours.value(), self.peer.value());
        let (ratio, bar) = match (self.bar, self.ours) {
            (Bar::Faster(bar), _) => (peer / ours, format!(">= {bar}x")),
            (Bar::Within(bar), _) => (ours / peer, format!("<= {bar}x")),
            (Bar::AtMost(bar), _) => (f64::NAN, format!("<= {bar}")),
            (Bar::Context, Figure::Time(_)) => (peer / ours, String::new()),
            (Bar::Context, _) => (f64::NAN, String::new()),
        };
        let ratio = if ratio.is_finite() { format!("{ratio:.2}x") } else { String::new() };
        let verdict = match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        [self.work.clone(), self.ours.text(), self.peer.text(), ratio, bar, verdict.to_owned()]
    }
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Self::Time(value) | Self::Count(value) => value,
            Self::Bytes(bytes) => bytes as f64,
            Self::None => f64::NAN,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Time(ns) if ns < 1e3 => format!("{ns:.1} ns"),
            Self::Time(ns) if ns < 1e6 => format!("{:.2} us", ns / 1e3),
            Self::Time(ns) => format!("{:.2} ms", ns / 1e6),
            Self::Count(count) => format!("{count}"),
            Self::Bytes(bytes) => format!("{bytes} B"),
            Self::None => String::new(),
        }
    }
}
