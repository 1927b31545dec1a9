//! Steps that belong together and rarely meet by chance: they lead to each of the faults that the shell once had.

use fastrand::Rng;

use super::{
    op::{Fate, Op, Since},
    protocol::Act,
    world::GLOBALS,
};

/// The engine is loaded and gets the answers of its browser, and none of the server.
fn starts(tab: usize) -> Vec<Op> {
    let mut ops = vec![Op::Script { tab, comes: true }];
    ops.extend((0..4).map(|_| Op::Hear { tab, words: 8 }));
    ops.extend((0..2).map(|_| Op::Task { tab }));
    ops.extend((0..4).map(|_| Op::Hear { tab, words: 8 }));
    ops
}

/// The stream opens.
fn opens(tab: usize, node: usize) -> impl Iterator<Item = Op> {
    (0..6).map(move |_| Op::Exchange { tab, node })
}

/// A subscription to a granted pattern, by its index.
fn subscribes(tab: usize, pattern: usize, acts: Vec<(u32, Act)>) -> Op {
    Op::Subscribe { tab, pattern, since: Since::Now, acts }
}

/// A random scene, for one tab or for two tabs.
pub(super) fn draw(rng: &mut Rng, tabs: usize) -> Vec<Op> {
    let (tab, node) = (rng.usize(..tabs), rng.usize(..2));
    let mut ops = vec![Op::Boot { node: 0 }, Op::Boot { node: 1 }, subscribes(tab, 4, Vec::new())];
    match rng.u8(..6) {
        // A request to the server hangs.
        0 => {
            ops.extend(starts(tab));
            ops.extend((0..2).map(|_| Op::Request { tab, which: 0, node, fate: Fate::Vanishes }));
            ops.push(Op::Pass { ms: rng.u64(1_000..3_000) });
        }
        // The server is unavailable for longer than any user waits.
        1 => {
            ops.extend(starts(tab));
            let fate = Fate::Unavailable { retry_after: Some(rng.u32(60..4_000)), dated: rng.bool() };
            ops.extend((0..3).map(|_| Op::Request { tab, which: 0, node, fate }));
        }
        // A tab whose leader stands still. The first two tabs are of one browser.
        2 => {
            let (tab, other) = (0, 1 % tabs);
            ops.push(subscribes(tab, 4, Vec::new()));
            ops.extend(opens(tab, node));
            ops.push(subscribes(other, 0, Vec::new()));
            ops.extend(opens(other, node));
            ops.extend(opens(tab, node));
            ops.extend(opens(other, node));
            ops.push(Op::Freeze { tab });
            ops.push(Op::Pass { ms: rng.u64(1..3_000) });
        }
        // A proxy refuses that a handler ends, while another one begins.
        3 => {
            ops.push(subscribes(tab, 2, Vec::new()));
            ops.extend(opens(tab, node));
            ops.push(Op::Swap { tab, which: rng.usize(..4), pattern: rng.usize(..4) });
            ops.push(Op::RefuseUnsubscribe { tab });
        }
        // A handler throws, and then the engine breaks.
        4 => {
            ops.push(subscribes(tab, 0, vec![(1, Act::Throw), (2, Act::Throw)]));
            ops.extend(opens(tab, node));
            ops.extend((0..rng.usize(1..3)).map(|_| Op::Publish { node, topic: 0, hidden: None }));
            ops.push(Op::Follow { node });
            ops.push(Op::Exchange { tab, node });
            ops.push(Op::Throws { tab, what: rng.usize(..GLOBALS.len()), times: 1 });
            ops.push(Op::Stop { tab, which: 0 });
            ops.push(Op::Show { tab });
        }
        // The tab is never told of a lock.
        _ => {
            ops.push(Op::Script { tab, comes: true });
            ops.extend((0..3).flat_map(|_| [Op::Task { tab }, Op::Deny { tab }]));
        }
    }
    ops
}
