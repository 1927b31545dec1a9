//! Sabotage: mistakes that this design could contain, made deliberately to test the judges. None of them touches the
//! product: they change the bytes between hub and client, what the engine returns, or what a handler receives. They are one
//! file, because each is a line in the list, a name, and one change below.

use std::collections::HashMap;

use bytes::BytesMut;
use tidings_client::client::{Call, HandlerId, Message, TabAsk};
use tidings_protocol::{Cursor, Pattern};

use super::engine::Flaws;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    NoTag,
    NoSeen,
    NoDedupe,
    NoSkip,
    BackfillWithId,
    DedupePerChannel,
    DedupeKeptOnGap,
    NoLateCheck,
    HeartbeatAhead,
    ConnectedAtHead,
    ConfirmedFirst,
    LostWhenCancelled,
    PatternUnmatched,
    AlwaysGap,
    HidesCommands,
    ForgetsCommands,
    HidesTakings,
    OwnPlace,
    NeverAskedAgain,
    SinceKeptOnGap,
    LateStart,
    GapOnLoss,
    EvictedTakenForSilent,
    FoldsLate,
    ForgetsTags,
    PassesOverDamage,
    GivenUnheard,
    LostPollTakenForHeard,
    TailUnchecked,
    RepeatsTakenForNew,
    MetadataOfAFollower,
    ForgetsKeysEarly,
    StoresAfterDeadline,
    ReadsLessThanShown,
    SilenceTakenForLife,
    AnsweredWhereItArrived,
    AnswersForTheGone,
    TicketTakenTwice,
    StaysWhereNothingArrives,
    DrainsToNowhere,
    UnansweredTakenForDone,
    HereUnsaid,
    JoinedTwice,
    JoinsUnheard,
    LeavesUnheard,
    PartTakenForWhole,
    PresenceUngranted,
    AliveUnheard,
}

impl Sabotage {
    pub const ALL: [Self; 48] = [
        Self::NoTag,
        Self::NoSeen,
        Self::NoDedupe,
        Self::NoSkip,
        Self::BackfillWithId,
        Self::DedupePerChannel,
        Self::DedupeKeptOnGap,
        Self::NoLateCheck,
        Self::HeartbeatAhead,
        Self::ConnectedAtHead,
        Self::ConfirmedFirst,
        Self::LostWhenCancelled,
        Self::PatternUnmatched,
        Self::AlwaysGap,
        Self::HidesCommands,
        Self::ForgetsCommands,
        Self::HidesTakings,
        Self::OwnPlace,
        Self::NeverAskedAgain,
        Self::SinceKeptOnGap,
        Self::LateStart,
        Self::GapOnLoss,
        Self::EvictedTakenForSilent,
        Self::FoldsLate,
        Self::ForgetsTags,
        Self::PassesOverDamage,
        Self::GivenUnheard,
        Self::LostPollTakenForHeard,
        Self::TailUnchecked,
        Self::RepeatsTakenForNew,
        Self::MetadataOfAFollower,
        Self::ForgetsKeysEarly,
        Self::StoresAfterDeadline,
        Self::ReadsLessThanShown,
        Self::SilenceTakenForLife,
        Self::AnsweredWhereItArrived,
        Self::AnswersForTheGone,
        Self::TicketTakenTwice,
        Self::StaysWhereNothingArrives,
        Self::DrainsToNowhere,
        Self::UnansweredTakenForDone,
        Self::HereUnsaid,
        Self::JoinedTwice,
        Self::JoinsUnheard,
        Self::LeavesUnheard,
        Self::PartTakenForWhole,
        Self::PresenceUngranted,
        Self::AliveUnheard,
    ];

    /// Whether only schedules with presence can catch it.
    #[must_use]
    pub fn is_of_presence(self) -> bool {
        use Sabotage as S;
        matches!(
            self,
            S::HereUnsaid
                | S::JoinedTwice
                | S::JoinsUnheard
                | S::LeavesUnheard
                | S::PartTakenForWhole
                | S::PresenceUngranted
                | S::AliveUnheard
        )
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoTag => "no tag",
            Self::NoSeen => "no `seen` check",
            Self::NoDedupe => "no dedupe",
            Self::NoSkip => "no skip of seq <= position",
            Self::BackfillWithId => "backfill frames with their own id",
            Self::DedupePerChannel => "dedupe per channel instead of per subscription",
            Self::DedupeKeptOnGap => "dedupe not cleared on gap",
            Self::NoLateCheck => "no late tag check of a lagging node",
            Self::HeartbeatAhead => "heartbeat id ahead of the data",
            Self::ConnectedAtHead => "connected with the head as id on resume",
            Self::ConfirmedFirst => "confirmation before the backfill",
            Self::LostWhenCancelled => "event lost when its publisher is cancelled",
            Self::PatternUnmatched => "a pattern not matched",
            Self::AlwaysGap => "a hub that always says gap",
            Self::HidesCommands => "revocations not seen by those who read the log",
            Self::ForgetsCommands => "revocations gone with the part of the log that held them",
            Self::HidesTakings => "what was given goes on when it is taken back",
            Self::OwnPlace => "a leader that goes on from its own place",
            Self::NeverAskedAgain => "a call without an answer is not made again",
            Self::SinceKeptOnGap => "`since` kept on gap",
            Self::LateStart => "a handler told of a gap before it began begins late",
            Self::GapOnLoss => "a gap wherever the log lost its end",
            Self::EvictedTakenForSilent => "a floor forgotten: evicted keys taken for silent",
            Self::FoldsLate => "keys of what left the log folded late",
            Self::ForgetsTags => "tags of what left the log not kept",
            Self::PassesOverDamage => "damage passed over",
            Self::GivenUnheard => "what the server gave is not heard",
            Self::LostPollTakenForHeard => "a poll whose answer was lost taken for heard",
            Self::TailUnchecked => "a tail that is not asked what it follows",
            Self::RepeatsTakenForNew => "a tail begun again taken for going on",
            Self::MetadataOfAFollower => "metadata read from a follower that is behind",
            Self::ForgetsKeysEarly => "keys forgotten before their time",
            Self::StoresAfterDeadline => "stored after its deadline",
            Self::ReadsLessThanShown => "reads of a follower that has less than was shown",
            Self::SilenceTakenForLife => "a tail that stands still taken for alive",
            Self::AnsweredWhereItArrived => "a call answered by a node without the stream",
            Self::AnswersForTheGone => "answers for a node that is gone",
            Self::TicketTakenTwice => "a ticket that stays where it was taken",
            Self::StaysWhereNothingArrives => "beats not heard: streams kept where nothing arrives",
            Self::DrainsToNowhere => "streams ended with nowhere to go",
            Self::UnansweredTakenForDone => "an unsubscribe without an answer taken for done",
            Self::HereUnsaid => "a list that begins with changes",
            Self::JoinedTwice => "who joins told twice",
            Self::JoinsUnheard => "who joins not told",
            Self::LeavesUnheard => "who leaves not told",
            Self::PartTakenForWhole => "a list without those who did not answer taken for whole",
            Self::PresenceUngranted => "presence shown without a grant",
            Self::AliveUnheard => "signs of life not heard",
        }
    }

    pub(super) fn flaws(this: Option<Self>) -> Flaws {
        Flaws {
            one_tag: this == Some(Self::NoTag),
            loses_cancelled: this == Some(Self::LostWhenCancelled),
            hides_commands: this == Some(Self::HidesCommands),
            hides_takings: this == Some(Self::HidesTakings),
            forgets_commands: this == Some(Self::ForgetsCommands),
            takes_evicted_for_silent: this == Some(Self::EvictedTakenForSilent),
            folds_late: this == Some(Self::FoldsLate),
            forgets_tags: this == Some(Self::ForgetsTags),
            passes_over_damage: this == Some(Self::PassesOverDamage),
            tail_unchecked: this == Some(Self::TailUnchecked),
            repeats_taken_for_new: this == Some(Self::RepeatsTakenForNew),
            metadata_of_a_follower: this == Some(Self::MetadataOfAFollower),
            forgets_keys_early: this == Some(Self::ForgetsKeysEarly),
            stores_after_deadline: this == Some(Self::StoresAfterDeadline),
            reads_less_than_it_has_shown: this == Some(Self::ReadsLessThanShown),
            silence_taken_for_life: this == Some(Self::SilenceTakenForLife),
        }
    }

    /// The URL of a stream as the hub receives it; the hub's head is `head`.
    pub(super) fn url(self, url: &str, head: Cursor) -> String {
        let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
        let kept = query.split('&').filter_map(|pair| match (self, pair.split_once('=')) {
            (Self::NoSeen | Self::NoSkip | Self::AlwaysGap, Some(("seen", _)))
            | (Self::AlwaysGap, Some(("lastEventId", _))) => None,
            (Self::NoSkip, Some(("lastEventId", at))) => {
                let ahead = at.parse::<Cursor>().is_ok_and(|at| at.epoch == head.epoch && at.seq > head.seq);
                Some(if ahead { format!("lastEventId={head}") } else { pair.to_owned() })
            }
            _ => Some(pair.to_owned()),
        });
        format!("{path}?{}", kept.collect::<Vec<_>>().join("&"))
    }
}

/// What a sabotaged line knows of its two ends.
pub(super) struct Line {
    pub(super) sabotage: Sabotage,
    /// The node's head, and the log's.
    pub(super) head: Cursor,
    pub(super) tip: Cursor,
    /// The cursor that the client sent.
    pub(super) cursor: Option<Cursor>,
    /// The channels that a handler of the client subscribes to by their own name.
    pub(super) exact: Vec<Pattern>,
    /// The node has started over, or must.
    pub(super) astray: bool,
    /// The log lost records while the stream was open.
    pub(super) has_lost: bool,
}

impl Line {
    /// Passes a write on, with the mistake applied.
    pub(super) fn pass(&self, bytes: &[u8], out: &mut BytesMut) {
        let text = String::from_utf8_lossy(bytes);
        let mut frames: Vec<String> = text.split("\n\n").filter(|frame| !frame.is_empty()).map(str::to_owned).collect();
        if self.sabotage == Sabotage::ConfirmedFirst {
            confirm_first(&mut frames);
        }
        if self.sabotage == Sabotage::GapOnLoss && self.has_lost && !text.contains("event: connected\n") {
            frames.push(format!("id: {}\nevent: gap\ndata: {{\"channels\":null,\"reason\":\"diverged\"}}", self.head));
        }
        let resumed = !text.contains("\"resumed\":false");
        for frame in frames {
            if let Some(frame) = self.frame(frame, resumed) {
                out.extend_from_slice(frame.as_bytes());
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    fn frame(&self, frame: String, resumed: bool) -> Option<String> {
        let is = |name: &str| frame.contains(&format!("event: {name}\n"));
        match self.sabotage {
            Sabotage::NoSkip if is("connected") && resumed => self.cursor.map(|cursor| with_id(&frame, cursor)),
            Sabotage::BackfillWithId if is("backfill") => {
                let at = field(&frame, "cursor").and_then(|at| at.parse().ok());
                Some(at.map_or(frame.clone(), |at| with_id(&frame, at)))
            }
            Sabotage::NoLateCheck if is("gap") && resumed && !self.astray => {
                let late = frame.contains("\"channels\":null") && frame.contains("\"diverged\"");
                (!late).then_some(frame)
            }
            Sabotage::HeartbeatAhead if is("heartbeat") => Some(with_id(&frame, self.tip)),
            Sabotage::ConnectedAtHead if is("connected") && resumed => Some(with_id(&frame, self.head)),
            Sabotage::PatternUnmatched if frame.contains("\"payload\"") => {
                let channel = field(&frame, "channel").unwrap_or_default();
                let unmatched = !frame.contains("\"to\":") && !self.exact.iter().any(|one| one.as_str() == channel);
                (!unmatched).then_some(frame)
            }
            Sabotage::HereUnsaid if is("presence") && frame.contains("\"here\":") => None,
            Sabotage::JoinsUnheard if is("presence") && frame.contains("\"join\":") => None,
            Sabotage::LeavesUnheard if is("presence") && frame.contains("\"leave\":") => None,
            Sabotage::JoinedTwice if is("presence") && frame.contains("\"join\":") => {
                Some(format!("{frame}\n\n{frame}"))
            }
            Sabotage::PartTakenForWhole if is("presence") => Some(whole(&frame)),
            Sabotage::GivenUnheard if frame.contains("\"channel\":\"secret\"") => None,
            Sabotage::AlwaysGap if is("connected") && self.cursor.is_some() => {
                let without: Vec<_> = frame.lines().filter(|line| !line.starts_with("id: ")).collect();
                let head = self.head;
                let gap = format!("id: {head}\nevent: gap\ndata: {{\"channels\":null,\"reason\":\"trimmed\"}}");
                Some(format!("{}\n\n{gap}", without.join("\n")))
            }
            _ => Some(frame),
        }
    }
}

fn with_id(frame: &str, id: Cursor) -> String {
    let rest: Vec<_> = frame.lines().filter(|line| !line.starts_with("id: ")).collect();
    format!("id: {id}\n{}", rest.join("\n"))
}

/// The list as if all had answered.
fn whole(frame: &str) -> String {
    let number = |name: &str| frame.split_once(&format!("\"{name}\":"))?.1.split([',', '}']).next();
    let (Some(asked), Some(answered)) = (number("asked"), number("answered")) else { return frame.to_owned() };
    frame.replace(&format!("\"answered\":{answered}"), &format!("\"answered\":{asked}"))
}

/// The text of a JSON field, found without a parser.
fn field<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    frame.split_once(&format!("\"{name}\":\""))?.1.split('"').next()
}

fn confirm_first(frames: &mut Vec<String>) {
    for index in 0..frames.len() {
        if !frames[index].contains("event: subscribed\n") {
            continue;
        }
        let request = field(&frames[index], "requestId").map(str::to_owned);
        let asked = |frame: &String| {
            frame.contains("event: backfill\n") && field(frame, "requestId").map(str::to_owned) == request
        };
        if let Some(first) = frames[..index].iter().position(asked) {
            let confirmation = frames.remove(index);
            frames.insert(first, confirmation);
        }
    }
}

/// A client with a mistake in its deduplication.
#[derive(Debug)]
pub(super) struct Deafness {
    sabotage: Option<Sabotage>,
    by_channel: HashMap<Pattern, Cursor>,
    by_handler: HashMap<HandlerId, Cursor>,
    /// The cursors that handlers were made with.
    since: HashMap<HandlerId, Cursor>,
    /// Handlers for which a gap was reported before they began.
    late: Vec<HandlerId>,
    asked: Vec<u32>,
}

impl Deafness {
    pub(super) fn new(sabotage: Option<Sabotage>) -> Self {
        Self {
            sabotage,
            by_channel: HashMap::new(),
            by_handler: HashMap::new(),
            since: HashMap::new(),
            late: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub(super) fn gap(&mut self, whole: bool, before_they_began: impl Iterator<Item = HandlerId>) {
        if whole && self.sabotage == Some(Sabotage::DedupePerChannel) {
            self.by_channel.clear();
        }
        if whole && self.sabotage == Some(Sabotage::LateStart) {
            self.late.extend(before_they_began);
        }
    }

    /// A handler is made.
    pub(super) fn made(&mut self, handler: HandlerId, since: Option<Cursor>) {
        if self.sabotage == Some(Sabotage::SinceKeptOnGap) {
            self.since.extend(since.map(|since| (handler, since)));
        }
    }

    /// Whether a request is really sent.
    pub(super) fn sends(&mut self, number: u32) -> bool {
        let is_new = !self.asked.contains(&number);
        self.asked.push(number);
        is_new || self.sabotage != Some(Sabotage::NeverAskedAgain)
    }

    /// Whether a handler that has begun receives a record, by whichever stream.
    pub(super) fn hears(&mut self, handler: HandlerId) -> bool {
        let before = self.late.len();
        self.late.retain(|late| *late != handler);
        self.late.len() == before
    }

    /// A handler has received everything up to here.
    pub(super) fn settled(&mut self, handler: HandlerId, at: Option<Cursor>) {
        if self.sabotage == Some(Sabotage::DedupeKeptOnGap) {
            self.by_handler.extend(at.map(|at| (handler, at)));
        }
    }

    /// The message of a tab to the others. A leader that is not told another tab's position continues from its own.
    pub(super) fn says(&self, mut message: Message) -> Message {
        if self.sabotage == Some(Sabotage::OwnPlace)
            && let Message::Ask { ask: TabAsk::Call { call: Call::Subscribe { since, .. }, .. }, .. } = &mut message
        {
            *since = None;
        }
        message
    }

    /// Changes which handlers receive a record.
    pub(super) fn change(
        &mut self,
        heard: &mut Vec<HandlerId>,
        settled: &[HandlerId],
        live: bool,
        at: Cursor,
        pattern: impl Fn(&HandlerId) -> Option<Pattern>,
    ) {
        let misses = |mark: Option<&Cursor>| mark.is_none_or(|mark| mark.epoch != at.epoch || mark.seq < at.seq);
        match self.sabotage {
            Some(Sabotage::NoDedupe) if live => *heard = settled.to_vec(),
            Some(Sabotage::DedupePerChannel) => {
                heard.retain(|one| pattern(one).is_none_or(|pattern| misses(self.by_channel.get(&pattern))));
                self.by_channel.extend(heard.iter().filter_map(pattern).map(|pattern| (pattern, at)));
            }
            // As if the handler's cursor were a position in every log.
            Some(Sabotage::SinceKeptOnGap) => {
                heard.retain(|one| self.since.get(one).is_none_or(|since| since.seq < at.seq));
            }
            Some(Sabotage::DedupeKeptOnGap) => {
                heard.retain(|one| misses(self.by_handler.get(one)));
                self.by_handler.extend(heard.iter().map(|one| (*one, at)));
            }
            _ => {}
        }
    }
}
