//! The timer, and the phases of a Pomodoro.

use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

const DEFAULT_FOCUS_MINUTES: u32 = 25;
const SHORT_BREAK_MINUTES: u32 = 5;
const LONG_BREAK_MINUTES: u32 = 15;
/// The break after this many rounds of focus is the long one.
const ROUNDS: u32 = 4;

/// A running timer. Times are milliseconds since 1970 by the server's clock.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timer {
    pub(crate) title: String,
    pub(crate) mode: Mode,
    #[ts(type = "number")]
    pub(crate) started_at: i64,
    /// The planned duration; in a Pomodoro, that of each round of focus.
    pub(crate) planned_minutes: Option<u32>,
    /// The device that it runs on; `None` if it was started without a device.
    pub(crate) device_id: Option<String>,
    /// Present only in a Pomodoro.
    pub(crate) phase: Option<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Mode {
    Timer,
    Pomodoro,
}

#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phase {
    pub(crate) kind: PhaseKind,
    /// The number of this round of focus, or of the round before this break, from 1.
    pub(crate) round: u32,
    pub(crate) minutes: u32,
    #[ts(type = "number")]
    pub(crate) started_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PhaseKind {
    Focus,
    ShortBreak,
    LongBreak,
}

impl Timer {
    pub(crate) fn start(
        title: String,
        mode: Mode,
        planned_minutes: Option<u32>,
        device_id: Option<String>,
        now: i64,
    ) -> Self {
        let planned_minutes = match mode {
            Mode::Timer => planned_minutes,
            Mode::Pomodoro => planned_minutes.or(Some(DEFAULT_FOCUS_MINUTES)),
        };
        let mut timer = Self { title, mode, started_at: now, planned_minutes, device_id, phase: None };
        if mode == Mode::Pomodoro {
            timer.enter(PhaseKind::Focus, 1, now);
        }
        timer
    }

    /// Begins the next phase: focus and breaks alternate, and after the long break the rounds start again.
    pub(crate) fn enter_next(&mut self, phase: &Phase, now: i64) {
        let (kind, round) = match phase.kind {
            PhaseKind::Focus if phase.round >= ROUNDS => (PhaseKind::LongBreak, phase.round),
            PhaseKind::Focus => (PhaseKind::ShortBreak, phase.round),
            PhaseKind::ShortBreak => (PhaseKind::Focus, phase.round + 1),
            PhaseKind::LongBreak => (PhaseKind::Focus, 1),
        };
        self.enter(kind, round, now);
    }

    /// Begins the given phase.
    pub(crate) fn enter(&mut self, kind: PhaseKind, round: u32, now: i64) {
        let minutes = match kind {
            PhaseKind::Focus => self.planned_minutes.unwrap_or(DEFAULT_FOCUS_MINUTES),
            PhaseKind::ShortBreak => SHORT_BREAK_MINUTES,
            PhaseKind::LongBreak => LONG_BREAK_MINUTES,
        };
        self.phase = Some(Phase { kind, round, minutes, started_at: now });
    }
}

/// Stores an enum as text, one word for each variant.
macro_rules! stored_as_text {
    ($name:ident { $($variant:ident = $text:literal),+ }) => {
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(match self { $(Self::$variant => $text),+ }))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_str()? {
                    $($text => Ok(Self::$variant),)+
                    other => Err(FromSqlError::Other(format!("no {}: {other:?}", stringify!($name)).into())),
                }
            }
        }
    };
}

stored_as_text!(Mode { Timer = "timer", Pomodoro = "pomodoro" });
stored_as_text!(PhaseKind { Focus = "focus", ShortBreak = "shortBreak", LongBreak = "longBreak" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pomodoro_alternates_and_rests_longer_after_four_rounds() {
        let mut timer = Timer::start("Write".into(), Mode::Pomodoro, None, None, 0);
        let mut phases = Vec::new();
        for now in 1..=9 {
            let phase = timer.phase.clone().expect("a Pomodoro has a phase");
            phases.push((phase.kind, phase.round, phase.minutes));
            timer.enter_next(&phase, now);
        }
        use PhaseKind::{Focus, LongBreak, ShortBreak};
        let expected = [
            (Focus, 1, 25),
            (ShortBreak, 1, 5),
            (Focus, 2, 25),
            (ShortBreak, 2, 5),
            (Focus, 3, 25),
            (ShortBreak, 3, 5),
            (Focus, 4, 25),
            (LongBreak, 4, 15),
            (Focus, 1, 25),
        ];
        assert_eq!(phases, expected);
    }

    #[test]
    fn a_plain_timer_has_no_phase_and_needs_no_plan() {
        let timer = Timer::start("Write".into(), Mode::Timer, None, None, 0);
        assert_eq!((timer.phase, timer.planned_minutes), (None, None));
    }
}
