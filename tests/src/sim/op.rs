//! Steps: what can happen. A step names its parties by numbers taken modulo what is there, so that any list of steps is a
//! schedule, also one with steps taken out.

use serde::{Deserialize, Serialize};

/// What becomes of a request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Arrives,
    Lost,
    /// Gone without a word: the client has to give up by itself.
    Vanishes,
    /// Taken to the other node.
    Misled,
}

/// How an append goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Append {
    Prompt,
    Refused,
    Vanished,
    AckLost,
    AckLate,
    Late,
}

/// From whom an event is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hidden {
    No,
    FromTab(usize),
    FromDevice(usize),
}

/// From where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Since {
    Now,
    /// A cursor taken earlier.
    Kept(usize),
    /// One taken right now.
    Node(usize),
    /// One whose tag is wrong.
    Forged(usize),
    /// No cursor at all.
    Garbage,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cut {
    /// Both ends learn of it; so many bytes still arrive.
    Clean(usize),
    /// The client learns of it, the hub later.
    HubUnaware(usize),
    /// The hub learns of it, the client does not.
    ClientUnaware,
    /// Nobody does.
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

    /// A client that polls does so, or waits on for its answer.
    Poll {
        poller: usize,
        node: usize,
        waits: bool,
        fate: Fate,
    },
    /// It asks for one channel more from now on.
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
    /// The browser does not tell a tab next that it has a lock, or that another one has.
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
    /// A record that is held becomes unreadable; whom it was for may be known.
    Damage {
        which: usize,
        known: bool,
    },
    RollBack {
        records: usize,
        more: usize,
    },
    Wipe {
        more: usize,
    },
}
