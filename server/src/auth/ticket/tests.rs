use super::*;

fn ana() -> Identity {
    Identity::user("ana").unwrap()
}

fn device(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

/// A ticket of Ana for her laptop, as text, and the store that holds it.
async fn held() -> (MemoryTickets, String) {
    let store = MemoryTickets::default();
    let (ticket, held) = Ticket::mint(42, ana(), Some(device("laptop")));
    store.keep(ticket.name, held, LIFETIME).await.unwrap();
    (store, ticket.to_string())
}

async fn redeem(store: &MemoryTickets, text: &str, on: Option<&str>) -> Result<Identity, AuthError> {
    let ticket: Ticket = text.parse()?;
    ticket.redeem(store.take(ticket.name).await?, on.map(device).as_ref())
}

#[tokio::test]
async fn a_ticket_lets_its_owner_in_once() {
    let (store, text) = held().await;
    assert_eq!(redeem(&store, &text, Some("laptop")).await.unwrap(), ana());
    assert!(matches!(redeem(&store, &text, Some("laptop")).await, Err(AuthError::Invalid)));
}

#[tokio::test]
async fn a_ticket_names_its_node_and_holds_128_random_bits() {
    let (_, text) = held().await;
    let (_, other) = held().await;
    assert!(text.starts_with("0000002a."));
    assert_eq!(text.rsplit('.').next().unwrap().len(), 128 / 4);
    assert_ne!(text, other);
}

#[tokio::test]
async fn a_ticket_is_bound_to_its_device_and_spent_by_another() {
    for on in [None, Some("phone")] {
        let (store, text) = held().await;
        assert!(matches!(redeem(&store, &text, on).await, Err(AuthError::Invalid)));
        assert!(matches!(redeem(&store, &text, Some("laptop")).await, Err(AuthError::Invalid)), "spent");
    }
}

#[tokio::test]
async fn a_guess_at_its_secret_spends_it() {
    let (store, text) = held().await;
    let (rest, _) = text.rsplit_once('.').unwrap();
    let guess = format!("{rest}.{:032x}", 1);
    assert!(matches!(redeem(&store, &guess, Some("laptop")).await, Err(AuthError::Invalid)));
    assert!(matches!(redeem(&store, &text, Some("laptop")).await, Err(AuthError::Invalid)));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_lives_thirty_seconds() {
    let (store, text) = held().await;
    tokio::time::advance(LIFETIME - Duration::from_millis(1)).await;
    assert!(redeem(&store, &text, Some("laptop")).await.is_ok());

    let (store, text) = held().await;
    tokio::time::advance(LIFETIME).await;
    assert!(matches!(redeem(&store, &text, Some("laptop")).await, Err(AuthError::Expired)));
}

#[tokio::test(start_paused = true)]
async fn a_user_holds_so_many_unused_ones_until_they_are_over() {
    let store = MemoryTickets::default();
    let mut last = None;
    for _ in 0..PER_USER {
        let (ticket, held) = Ticket::mint(1, ana(), None);
        store.keep(ticket.name, held, LIFETIME).await.unwrap();
        last = Some(ticket.to_string());
    }
    let one_more = async |identity| {
        let (ticket, held) = Ticket::mint(1, identity, None);
        store.keep(ticket.name, held, LIFETIME).await
    };
    assert!(matches!(one_more(ana()).await, Err(TicketError::TooMany)));
    one_more(Identity::user("bob").unwrap()).await.expect("other users' tickets do not count against him");
    redeem(&store, &last.unwrap(), None).await.unwrap();
    one_more(ana()).await.expect("one was used");
    tokio::time::advance(LIFETIME * 2).await;
    one_more(ana()).await.expect("the others are over");
    assert_eq!(store.state.lock().held.len(), 1, "and forgotten");
}

#[tokio::test]
async fn anonymous_tickets_leave_room_for_those_of_users() {
    let store = MemoryTickets::default();
    let keep = async |identity: &Identity| {
        let (ticket, held) = Ticket::mint(1, identity.clone(), None);
        store.keep(ticket.name, held, LIFETIME).await
    };
    let nobody = Identity::anonymous();
    for _ in 0..CAPACITY / 2 {
        keep(&nobody).await.unwrap();
    }
    assert!(matches!(keep(&nobody).await, Err(TicketError::TooMany)));
    keep(&ana()).await.expect("anonymous tickets leave room for her");
}

#[test]
fn a_text_that_is_no_ticket_is_malformed() {
    for text in ["", "..", "0000002a", "+000002a.0000000000000000.00000000000000000000000000000000", "ä.b.c", "1.2.3.4"]
    {
        assert!(matches!(text.parse::<Ticket>(), Err(AuthError::Malformed)), "{text}");
    }
}

#[test]
fn the_debug_output_of_a_store_holds_no_secret() {
    let (ticket, held) = Ticket::mint(1, ana(), None);
    let shown = format!("{held:?} {:?} {:?}", ticket.name, MemoryTickets::default());
    assert!(
        !shown.contains(&format!("{:032x}", ticket.secret)) && !shown.contains(&ticket.secret.to_string()),
        "{shown}"
    );
}

#[test]
fn a_ticket_survives_storage_as_json() {
    let (ticket, held) = Ticket::mint(1, ana(), Some(device("laptop")));
    let stored = serde_json::to_string(&held).unwrap();
    let held = serde_json::from_str(&stored).unwrap();
    assert_eq!(ticket.redeem(held, Some(&device("laptop"))).unwrap(), ana());
}
