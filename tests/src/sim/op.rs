//! Steps: what can happen. A step names its parties by numbers modulo what exists, so any list of steps is a schedule,
//! including one with steps removed.

use serde::{Deserialize, Serialize};

/// The fate of a request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Arrives,
    Lost,
    /// It vanishes silently, and the client has to give up by itself.
    Vanishes,
    /// It is taken to the other node.
    Misled,
}

/// The outcome of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Append {
    Prompt,
    Refused,
    Vanished,
    AckLost,
    AckLate,
    Late,
    Orphan,
}

/// What the tails of a log do when it loses something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Live {
    #[default]
    Breaks,
    /// They ask whether the log still is what they have read.
    Asks,
    /// They go on by number.
    GoesOn,
}

/// What becomes of the next message between nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mishap {
    #[default]
    None,
    Lost,
    AnswerLost,
    /// It arrives when nobody waits for an answer any more.
    Late,
    Twice,
    /// The node that it is for counts as gone, wrongly.
    Gone,
}

/// The tab or device from which an event is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hidden {
    No,
    FromTab(usize),
    FromDevice(usize),
}

/// The point from which a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Since {
    Now,
    /// A cursor that was taken earlier.
    Kept(usize),
    /// A cursor that is taken now.
    Node(usize),
    /// A cursor with a wrong tag.
    Forged(usize),
    /// A text that is not a cursor.
    Garbage,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cut {
    /// Both ends notice; this many bytes still arrive.
    Clean(usize),
    /// The client notices, and the hub does later.
    HubUnaware(usize),
    /// The hub notices, and the client does not.
    ClientUnaware,
    /// Neither end notices.
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Op {
    Publish {
        node: usize,
        topic: usize,
        hidden: Hidden,
        append: Append,
    },
    Acknowledge {
        which: usize,
    },
    GiveUp {
        which: usize,
    },
    Retry {
        which: usize,
        node: usize,
    },
    Repeat {
        which: usize,
        node: usize,
    },
    Revoke {
        client: usize,
        pattern: usize,
        node: usize,
        append: Append,
    },
    Expel {
        client: usize,
        node: usize,
        append: Append,
    },
    Restore {
        client: usize,
        node: usize,
    },
    Give {
        client: usize,
        gift: usize,
        node: usize,
    },
    Take {
        client: usize,
        gift: usize,
        node: usize,
    },

    Follow {
        node: usize,
        records: usize,
    },
    Attach {
        node: usize,
    },
    Pull {
        node: usize,
        records: usize,
    },
    Flush {
        node: usize,
    },

    Connect {
        client: usize,
        node: usize,
        fate: Fate,
    },
    Pump {
        client: usize,
    },
    Read {
        client: usize,
        bytes: usize,
    },
    Exchange {
        client: usize,
        node: usize,
    },
    Call {
        which: usize,
        fate: Fate,
    },

    /// A polling client polls, or continues to wait for its answer.
    Poll {
        poller: usize,
        node: usize,
        waits: bool,
        fate: Fate,
    },
    /// The polling client adds a channel.
    PollAlso {
        poller: usize,
        pattern: usize,
        since: Since,
    },

    Subscribe {
        client: usize,
        pattern: usize,
        since: Since,
    },
    Unsubscribe {
        client: usize,
        which: usize,
    },
    On {
        client: usize,
        label: usize,
    },
    Keep {
        node: usize,
    },
    Reload {
        client: usize,
        since: Since,
    },
    ConnectNow {
        client: usize,
    },
    Disconnect {
        client: usize,
    },
    Suspend {
        client: usize,
    },
    Resume {
        client: usize,
    },
    Online {
        client: usize,
    },

    Pass {
        ms: u64,
    },
    Jump {
        client: usize,
        ms: u64,
    },
    WallJump {
        ms: i64,
    },

    Hear {
        client: usize,
        words: usize,
    },
    Miss {
        client: usize,
    },
    /// The browser does not tell a tab next that it has a lock, or that another tab has it.
    Deny {
        client: usize,
    },
    Freeze {
        client: usize,
    },
    Thaw {
        client: usize,
    },

    Cut {
        client: usize,
        cut: Cut,
    },
    Forget,
    Stall {
        client: usize,
    },
    Unstall {
        client: usize,
    },
    Crash {
        node: usize,
    },
    Boot {
        node: usize,
    },
    Drain {
        node: usize,
    },
    Outage {
        node: usize,
    },
    Recover {
        node: usize,
    },
    Lag {
        node: usize,
    },
    CatchUp {
        node: usize,
    },
    Trim {
        records: usize,
    },
    /// A record in the log becomes unreadable; its receivers may be known.
    Damage {
        which: usize,
        known: bool,
    },
    RollBack {
        records: usize,
        more: usize,
        #[serde(default)]
        live: Live,
    },
    Wipe {
        more: usize,
        #[serde(default)]
        live: Live,
    },
    /// An append that nobody waits for any more comes to the engine.
    Land {
        which: usize,
    },
    ForgetKeys,
    /// A follower answers what the node reads of the log.
    Stale {
        node: usize,
    },
    Fresh {
        node: usize,
    },
    /// The node's tail begins again where it was opened.
    Rewind {
        node: usize,
    },
    /// The node's tail says nothing any more, and is not over.
    Hush {
        node: usize,
    },
    Speak {
        node: usize,
    },
    /// What stands beside the log is changed next without anybody being told.
    LoseSwap,

    /// What becomes of the next message between nodes.
    Meet {
        mishap: Mishap,
    },
    /// A message arrives that was late.
    Arrive {
        which: usize,
    },
    /// A node reaches the others no more, nor they it.
    Part {
        node: usize,
    },
    Rejoin {
        node: usize,
    },
    /// A node is asked how many streams a user has in the whole cluster.
    Count {
        client: usize,
        node: usize,
    },
    /// A tab watches who is present.
    Watch {
        client: usize,
        room: usize,
    },
    Unwatch {
        client: usize,
        which: usize,
    },
    /// A node is asked who is present.
    Who {
        client: usize,
        node: usize,
        room: usize,
    },
    /// A user gets a ticket from one node and shows it to two, one after the other.
    Ticket {
        client: usize,
        mint: usize,
        first: usize,
        second: usize,
    },
}
