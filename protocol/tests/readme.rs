//! The examples in the README are exactly what this crate writes and reads.

use tidings_protocol::{
    Cursor,
    command::{
        PollRequest, PresenceAnswer, PresenceRequest, PublishAnswer, PublishRequest, RefreshAnswer, RefreshRequest,
        SubscribeAnswer, SubscribeRequest, TicketAnswer, TicketRequest,
    },
    frame::{ClosingReason, Frame},
    problem::Problem,
    sse::Decoder,
};

fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    let parts = include_str!("../README.md").split(&start[..]).skip(1);
    parts.map(|part| part.split("```").next().unwrap()).collect()
}

#[test]
fn frames_are_shown_as_they_are_written() {
    let mut shown = Vec::new();
    for block in blocks("sse") {
        let mut written = String::new();
        let mut last_id = String::new();
        let decoded = Decoder::new().push(block.as_bytes(), |message| {
            let frame = Frame::parse(message.event, message.data).unwrap().unwrap();
            let id: Option<Cursor> = (message.last_event_id != last_id).then(|| message.last_event_id.parse().unwrap());
            message.last_event_id.clone_into(&mut last_id);
            frame.encode(&mut written, id.as_ref());
            shown.push(frame.name());
        });
        decoded.unwrap();
        assert_eq!(written, block);
    }
    shown.sort_unstable();
    shown.dedup();
    let all = [
        "backfill",
        "challenge",
        "closing",
        "connected",
        "gap",
        "heartbeat",
        "message",
        "polled",
        "presence",
        "revoked",
        "subscribed",
    ];
    assert_eq!(shown, all);
}

#[test]
fn the_table_of_closing_says_of_each_reason_whether_clients_come_back() {
    let table = include_str!("../README.md").split("| `reason` | come back? | |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>()).collect();
    let said = |cell: &str| match cell {
        "yes" => false,
        "**no**" => true,
        other => panic!("the README must say yes or no: {other}"),
    };
    let (other, known) = rows.split_last().unwrap();
    for row in known {
        let reason: ClosingReason = serde_json::from_str(&row[1].replace('`', "\"")).unwrap();
        assert_eq!(reason.is_final(), said(row[2]), "{}", row[1]);
    }
    assert_eq!(known.len(), ClosingReason::ALL.len(), "all reasons are listed");
    // A reason of a later edition counts as one to reconnect after.
    let unknown: ClosingReason = serde_json::from_str("\"newer\"").unwrap();
    assert_eq!((other[1], unknown.is_final()), ("any other", said(other[2])));
}

#[test]
fn bodies_are_shown_as_they_are_read() {
    let blocks = blocks("json");
    let [
        subscribe,
        accepted,
        addressed,
        told,
        publish,
        receipts,
        poll,
        wanted,
        ticket,
        refresh,
        left,
        here,
        watch,
        problem,
    ] = blocks[..]
    else {
        panic!("fourteen bodies: {blocks:?}")
    };
    serde_json::from_str::<PollRequest>(poll).unwrap();
    serde_json::from_str::<RefreshRequest>(refresh).unwrap();
    serde_json::from_str::<RefreshAnswer>(left).unwrap();
    serde_json::from_str::<PresenceAnswer>(here).unwrap();
    serde_json::from_str::<PresenceRequest>(watch).unwrap();
    serde_json::from_str::<TicketRequest>(wanted).unwrap();
    serde_json::from_str::<TicketAnswer>(ticket).unwrap();
    for (request, answer) in [(subscribe, accepted), (addressed, told)] {
        serde_json::from_str::<SubscribeRequest>(request).unwrap();
        serde_json::from_str::<SubscribeAnswer>(answer).unwrap();
    }
    assert_eq!(serde_json::from_str::<Vec<PublishRequest>>(publish).unwrap().len(), 3);
    assert_eq!(serde_json::from_str::<Vec<PublishAnswer>>(receipts).unwrap().len(), 3);
    let problem: Problem = serde_json::from_str(problem).unwrap();
    assert_eq!((problem.status, problem.title.as_str()), (problem.code.status(), problem.code.title()));
}
