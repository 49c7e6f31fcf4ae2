//! How a log line looks as text: the time, then as the library writes it, but for the line of the access log.
//!
//! Each request writes a line of the access log; it is the only one whose making counts. Its fields are few and plain,
//! and are written without the library's styles, spans and escapes for terminals.
//! Promises: a line of the access log is, byte for byte, what the library would have written; a test compares the two.
//! Must not know: what is logged, but for the name of the access log.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::sync::Arc;

use couronne_base::env::Clock;
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The target of the access log's lines.
const ACCESS: &str = "couronne::access";
/// The digits of the largest number.
const DIGITS_MAX: usize = 20;

/// Writes lines as text.
pub(super) struct Text {
    time: WallTime,
    others: Format<Full, WallTime>,
}

/// The time of a line, in UTC with microseconds.
#[derive(Clone)]
pub(super) struct WallTime(Arc<dyn Clock>);

thread_local! {
    /// The second that this thread wrote last, since 1970, and its text.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

impl Text {
    /// Lines with the time of this clock.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let time = WallTime(clock);
        Self { time: time.clone(), others: Format::default().with_timer(time).with_ansi(false) }
    }
}

impl WallTime {
    /// The time of this clock.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }
}

impl FormatTime for WallTime {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        let now_us = self.0.wall_us();
        let (second, rest_us) = (now_us / 1_000_000, now_us % 1_000_000);
        SECOND.with_borrow_mut(|(known, text)| {
            if *known != second {
                let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
                *text = time.map_or_else(String::new, |time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string());
                *known = second;
            }
            line.write_str(text)
        })?;
        line.write_str(".")?;
        // The million more keeps the leading zeros.
        let mut digits = [0; DIGITS_MAX];
        line.write_str(decimal(1_000_000 + rest_us, &mut digits).get(1..).unwrap_or_default())?;
        line.write_str("Z")
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let meta = event.metadata();
        if meta.target() != ACCESS || *meta.level() != Level::INFO {
            return self.others.format_event(context, line, event);
        }
        self.time.format_time(&mut line)?;
        line.write_str("  INFO couronne::access:")?;
        let mut fields = Fields { line: &mut line, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        line.write_str("\n")
    }
}

/// The digits of a number, without the machinery of `Display`.
fn decimal(mut value: u64, digits: &mut [u8; DIGITS_MAX]) -> &str {
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0'.saturating_add(u8::try_from(value % 10).unwrap_or_default());
        value /= 10;
        first = place;
        if value == 0 {
            break;
        }
    }
    digits.get(first..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
}

/// Writes ` name=value` for each field.
struct Fields<'a, 'b> {
    line: &'a mut Writer<'b>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        let line = &mut *self.line;
        let name = [" ", field.name(), "="];
        self.result = name.iter().try_for_each(|text| line.write_str(text)).and_then(|()| value(line));
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Nearly every text is one that `Debug` would only put in quotation marks.
        let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
        self.write(field, |line| {
            if !is_plain {
                return write!(line, "{value:?}");
            }
            ["\"", value, "\""].iter().try_for_each(|text| line.write_str(text))
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |line| line.write_str(decimal(value, &mut [0; DIGITS_MAX])));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |line| line.write_str(if value { "true" } else { "false" }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |line| write!(line, "{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use couronne_base::testing::TestClock;
    use parking_lot::Mutex;
    use std::io;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What is written of some lines.
    fn written<E>(format: E, log: impl FnOnce()) -> String
    where
        E: FormatEvent<tracing_subscriber::Registry, tracing_subscriber::fmt::format::DefaultFields>
            + Send
            + Sync
            + 'static,
    {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).event_format(format).with_writer(lines.clone());
        tracing::subscriber::with_default(subscriber.finish(), log);
        let lines = lines.0.lock().clone();
        String::from_utf8(lines).unwrap()
    }

    fn log_some() {
        for (path, took_us) in [("/b/plain key", 0_u64), ("/b/\u{1b}[31m\"\\\n\u{e9}", u64::MAX), ("", 1_234_567_890)] {
            let (id, status, broke_off) = (format_args!("{:x}", 255), 200_u16, path.is_empty());
            tracing::info!(target: "couronne::access", %id, path, status, broke_off, took_us);
            tracing::warn!(target: "couronne::access", path, "not of a request");
            tracing::info!(path, "of another");
        }
    }

    #[test]
    fn lines_are_those_of_the_library() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::still());
        let library = Format::default().with_timer(WallTime(Arc::clone(&clock))).with_ansi(false);
        let expected = written(library, log_some);
        assert_eq!(expected.lines().count(), 9, "{expected}");
        assert_eq!(written(Text::new(clock), log_some), expected);
    }

    #[test]
    fn the_time_has_microseconds_with_their_zeros() {
        let at = |wall_us: u64| {
            let mut text = String::new();
            WallTime(Arc::new(TestClock::still_at(wall_us))).format_time(&mut Writer::new(&mut text)).unwrap();
            text
        };
        assert_eq!(at(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(1_700_000_000_000_042), "2023-11-14T22:13:20.000042Z");
        assert_eq!(at(1_700_000_000_999_999), "2023-11-14T22:13:20.999999Z");
        assert_eq!(at(1_700_000_001_000_000), "2023-11-14T22:13:21.000000Z");
    }
}
